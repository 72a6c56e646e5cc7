"""What is to be estimated, as the disk tells: finished sessions, their streams of video, and the estimates that are there."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rig_capture.estimation.listing import is_estimated, video_streams
from rig_capture.profiles.settings.estimation import EstimatorParameters
from rig_capture.session.additions import additions_changed_ns
from rig_capture.session.errors import SessionError
from rig_capture.session.layout import SessionLayout, sessions_in
from rig_capture.session.lock import is_locked
from rig_capture.session.manifest import read_manifest

_STATES = frozenset({"complete", "recovered"})


@dataclass(frozen=True, order=True)
class StreamTask:
    """One stream that is to be estimated."""

    session: Path
    stream: str
    model: str

    @property
    def key(self) -> str:
        """In notes."""
        return f"{self.session.name}/{self.stream}/{self.model}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.session.name}/{self.stream}"


@dataclass(frozen=True)
class Look:
    """What a look at the disk found."""

    due: tuple[StreamTask, ...] = ()
    """Oldest session first; those that failed before are among them."""
    is_recording: bool = False
    """A session is being recorded."""
    sessions: frozenset[str] = frozenset()
    """Names of all sessions there are."""
    read: frozenset[str] = frozenset()
    """Names of those of which all is known: finished, and not in use just now."""


class SessionQueue:
    """Looks at a folder of sessions; one that has not changed is not read again. For one thread."""

    def __init__(self, root: Path, settings: EstimatorParameters) -> None:
        self._root, self._settings = root, settings
        self._seen: dict[Path, tuple[int, tuple[StreamTask, ...]]] = {}

    def look(self, model: str) -> Look:
        """What there is now for a model, by the name that it gives itself; nothing to do while that is not known."""
        sessions = sessions_in(self._root)
        due: list[StreamTask] = []
        seen: dict[Path, tuple[int, tuple[StreamTask, ...]]] = {}
        is_recording = False
        for session in sessions:
            is_complete, locked = SessionLayout(session).complete_mark.exists(), is_locked(session)
            is_recording |= locked and not is_complete
            if is_complete and not locked:
                seen[session] = self._tasks(session, model)
                due += seen[session][1]
        self._seen = seen
        read = frozenset(session.name for session, (changed_ns, _) in seen.items() if changed_ns)
        return Look(tuple(due), is_recording, frozenset(session.name for session in sessions), read)

    def _tasks(self, session: Path, model: str) -> tuple[int, tuple[StreamTask, ...]]:
        try:
            changed_ns = max(SessionLayout(session).manifest.stat().st_mtime_ns, additions_changed_ns(session))
            known = self._seen.get(session)
            if known is not None and known[0] == changed_ns:
                return known
            if not model:
                return 0, ()
            if read_manifest(session).state not in _STATES:
                return changed_ns, ()
            patterns = self._settings.streams
            streams = [name for name in video_streams(session) if any(fnmatchcase(name, pattern) for pattern in patterns)]
            return changed_ns, tuple(StreamTask(session, name, model) for name in streams if not is_estimated(session, name, model))
        except FileNotFoundError:
            return 0, ()  # removed just now
        except SessionError:
            return 0, ()  # `rig verify` tells what is wrong with it
