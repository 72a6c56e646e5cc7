"""The Python API: recordings from a user's own script.

import rig_capture

with rig_capture.recording("lab", participant="p01") as session:
    ...  # the rig records
print(session.path)
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig_capture.nodes.client import RigClient
from rig_capture.profiles.files import check_files
from rig_capture.profiles.load import LoadedProfile, load_profile
from rig_capture.running.errors import NotRunning
from rig_capture.running.folder import RigFolder, domain_of
from rig_capture.running.rig import Rig, find_rig, start_rig

UP_TIMEOUT_S = 60.0
"""Longest wait for all nodes of a rig that has to be started."""


@dataclass(frozen=True)
class RunningSession:
    """A session that is being recorded, or was."""

    recording_id: str
    path: Path


@contextmanager
def recording(
    profile: str | None = None,
    *,
    label: str = "",
    participant: str = "",
    testing_mode: bool = False,
    topics: Sequence[str] = (),
    settings: dict[str, object] | None = None,
) -> Iterator[RunningSession]:
    """Records while the block runs; the rig is started first where it is not up, and then stopped afterwards.

    The session is stopped and complete on disk when the block is left, also by an exception.

    Args:
        profile: name or file; None: $RIG_CAPTURE_PROFILE, else the default one.
        label: what is recorded.
        participant: who is recorded.
        testing_mode: marks the recording as a test.
        topics: to record beside those of the profile.
        settings: over the profile, with dotted keys, such as ``{"cameras.camera_front.fps": 15}``; they count only for a
            rig that is started here.

    Yields:
        The session.

    Raises:
        ProfileError: the profile can't be used.
        RunningError: the rig did not start; names the node that failed, with its last lines.
        ClientError: the recorder refused, with the reason per device, or did not answer.
    """
    loaded = load_profile(profile, overrides=settings)
    with ExitStack() as ending:
        rig = _running_rig(loaded)
        if rig is None:
            check_files(loaded)
            rig = start_rig(loaded)
            ending.callback(rig.stop)
            started_here = True
        else:
            started_here = False
        record = rig.record
        client = ending.enter_context(RigClient(record.namespace, record.domain_id, record.discovery))
        if started_here:
            rig.wait_until_up(client, UP_TIMEOUT_S)
        started = client.start_recording(label=label, participant=participant, testing_mode=testing_mode, topics=topics)
        try:
            yield RunningSession(started.recording_id, Path(started.path))
        finally:
            client.stop_recording()


def _running_rig(loaded: LoadedProfile) -> Rig | None:
    try:
        return find_rig(RigFolder.of(loaded.profile.namespace, domain_of(loaded.profile)))
    except NotRunning:
        return None
