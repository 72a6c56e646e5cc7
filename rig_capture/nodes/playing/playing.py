"""The thread that plays: it reads ahead, waits for each moment, and publishes."""

import threading
from collections.abc import Callable

from rig_capture.owned_thread import OwnedThread
from rig_capture.playback.clock import PlayClock
from rig_capture.playback.items import Item
from rig_capture.playback.read_ahead import ReadAhead
from rig_capture.playback.session import PlayedSession
from rig_capture.profiles.settings.player import PlayerSettings


class Playing:
    """Plays a session from start to stop, to its end, or for ever. Steered from other threads."""

    def __init__(
        self,
        session: PlayedSession,
        settings: PlayerSettings,
        publish: Callable[[Item], None],
        moved: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        """Starts with `start`.

        Args:
            session: open.
            settings: as they are at first.
            publish: called with each item when it is due.
            moved: called before it goes on somewhere else.
            ended: called at the end, unless it loops; not after `stop`.
        """
        self._session, self._settings = session, settings
        self._publish, self._moved, self._ended = publish, moved, ended
        begin = self._at(settings.start_s)
        # Subscribers find the topics before the first message is due.
        lead_ns = int(settings.delay_s * settings.rate * 1e9)
        self.clock = PlayClock(begin - lead_ns, rate=settings.rate, paused=settings.paused)
        self._target: int | None = begin
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = OwnedThread("playing", self._run)
        self.played = 0
        """Items published."""

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread. Raises what it died of."""
        self._stopping = True
        self.clock.interrupt()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raises what the thread died of."""
        self._thread.check()

    def change(self, settings: PlayerSettings) -> None:
        """Other settings hold from now on."""
        before, self._settings = self._settings, settings
        if settings.seek_s >= 0 and settings.seek_s != before.seek_s:
            self.seek(settings.seek_s)
        self.clock.run(rate=settings.rate, paused=settings.paused)

    def seek(self, seconds: float) -> None:
        """Goes on somewhere else, seconds from the first stamp; before the first or behind the last is the first or the last."""
        with self._lock:
            self._target = self._at(seconds)
            self.clock.jump(self._target)

    @property
    def position_s(self) -> float:
        """Where it is, seconds from the first stamp."""
        return (self.clock.position_ns - self._session.begin_ns) / 1e9

    def _at(self, seconds: float) -> int:
        return self._session.begin_ns + int(min(max(seconds, 0.0), self._session.duration_s) * 1e9)

    def _run(self) -> None:
        while (begin := self._next_begin()) is not None:
            self._play_from(*begin)

    def _next_begin(self) -> tuple[int, int] | None:
        """Where to go on from, with the clock's count of interrupts; None where playing is over."""
        with self._lock:
            target, self._target = self._target, None
            if target is None and self._settings.loop:
                target = self._session.begin_ns
                self.clock.jump(target)
            interrupts = self.clock.interrupts
        if self._stopping:
            return None
        if target is None:
            self._ended()
            return None
        return target, interrupts

    def _play_from(self, begin_ns: int, interrupts: int) -> None:
        """Plays until the end, a seek, or the stop."""
        self._moved()
        settings = self._settings
        items = self._session.items(begin_ns)
        with ReadAhead(items, ahead_s=settings.read_ahead_s, most_bytes=settings.read_ahead_bytes) as ahead:
            while (item := ahead.next()) is not None:
                # What has to come first, such as a latched state, comes at the beginning.
                if not self.clock.wait_until(max(item.due_ns, begin_ns), interrupts):
                    return
                self._publish(item)
                self.played += 1
            self.clock.wait_until(self._session.end_ns, interrupts)
