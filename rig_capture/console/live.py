"""What is sent to viewers as it comes.

The rig is told what all viewers together want, and sends that once; a picture is the same bytes for each of them. A viewer that takes
it more slowly than it comes gets the newest state and pictures: nothing waits for it, and nothing piles up.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic_core

from rig_capture.console.errors import WrongRequest
from rig_capture.console.rig import Interest

SOUND = 0xFF
"""First byte of a message with sound; others begin with the number of a camera."""
_MOST_SOUND = 10
"""Blocks of sound that wait for a viewer; beyond that the oldest are left out."""
_MOST_EVENTS = 200
"""Health events that wait for a viewer; who is further behind is sent away, and starts anew."""
_FASTEST_HZ = 60.0
_EARLY = 0.75
"""A picture that comes a little early is still sent, or a rate near that of the camera would halve it."""


@dataclass
class Wishes:
    """What one viewer wants."""

    previews: frozenset[str] = frozenset()
    rate_hz: float = 5.0
    levels: frozenset[str] = frozenset()
    imus: frozenset[str] = frozenset()
    listen: tuple[str, int] | None = None
    """Microphone and channel."""


@dataclass
class Viewer:
    """One page: what it wants, and what waits to be sent to it. Used in the server's thread only."""

    wake: Callable[[], None]
    """Called when something waits."""
    wishes: Wishes = field(default_factory=Wishes)
    states: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """JSON by what it is about: the newest of each."""
    events: deque[str] = field(default_factory=deque)
    pictures: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    sound: deque[bytes] = field(default_factory=lambda: deque(maxlen=_MOST_SOUND))
    lagging: bool = False
    """It is so far behind, or so much has changed, that it is to start anew."""
    skipped: int = 0
    """Pictures that were replaced by newer ones before they were sent."""
    due: dict[int, int] = field(default_factory=dict)
    """Stamp, ns, before which no further picture of a camera is wanted."""

    def take(self) -> str | bytes | None:
        """What is to be sent next: events, state, sound, pictures; None where nothing waits."""
        if self.events:
            return self.events.popleft()
        if self.states:
            return self.states.popitem(last=False)[1]
        if self.sound:
            return self.sound.popleft()
        return self.pictures.popitem(last=False)[1] if self.pictures else None


class LiveHub:
    """Spreads what the rig sends over the viewers. Used in the server's thread only."""

    def __init__(self, want: Callable[[Interest], None], devices: Mapping[str, Any]) -> None:
        """Has no viewers yet.

        Args:
            want: told what all viewers together want, whenever that changes.
            devices: as ``GET /api/rig`` tells them.
        """
        self._want = want
        self._viewers: list[Viewer] = []
        self._interest = Interest()
        self._cameras: list[str] = []
        self._microphones: dict[str, int] = {}
        self._imus: set[str] = set()
        self._latest: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        """The newest of each kind of state, for scripts."""
        self.set_devices(devices)

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def set_devices(self, devices: Mapping[str, Any]) -> None:
        """What the rig consists of, where that changed."""
        before = self._cameras, self._microphones, self._imus
        self._cameras = [camera["name"] for camera in devices["cameras"]]
        self._microphones = {sound["name"]: len(sound["channels"]) for sound in devices["microphones"]}
        self._imus = {imu["name"] for imu in devices["imus"]}
        if before != (self._cameras, self._microphones, self._imus):
            for viewer in self._viewers:  # numbers of cameras mean others now: pages are to come anew
                viewer.wishes, viewer.lagging = Wishes(), True
                viewer.pictures.clear()
            self.news({"type": "rig"})

    def add(self, viewer: Viewer) -> None:
        """A viewer came; it is told the newest of everything at once."""
        viewer.states.update(self._latest)
        self._viewers.append(viewer)
        viewer.wake()

    def remove(self, viewer: Viewer) -> None:
        """A viewer left."""
        self._viewers.remove(viewer)
        self._tell_interest()

    def wish(self, viewer: Viewer, said: Mapping[str, Any]) -> None:
        """A viewer said what it wants; what it did not name stays as it is. Raises WrongRequest."""
        wishes = viewer.wishes
        known = {"previews", "rate_hz", "levels", "imus", "listen"}
        if unknown := sorted(set(said) - known):
            raise WrongRequest(f"{', '.join(unknown)}: no such wish; there are: {', '.join(sorted(known))}")
        changed = Wishes(
            previews=_names(said, "previews", self._cameras, wishes.previews),
            rate_hz=_rate(said.get("rate_hz", wishes.rate_hz)),
            levels=_names(said, "levels", self._microphones, wishes.levels),
            imus=_names(said, "imus", self._imus, wishes.imus),
            listen=self._listen(said["listen"]) if "listen" in said else wishes.listen,
        )
        viewer.wishes = changed
        viewer.due.clear()
        for index in [index for index in viewer.pictures if self._cameras[index] not in changed.previews]:
            del viewer.pictures[index]
        if changed.listen != wishes.listen:
            viewer.sound.clear()
        self._tell_interest()

    def state(self, key: str, message: dict[str, Any]) -> None:
        """The newest state of something; also told to who comes later."""
        self.values[key] = message
        self._latest[key] = text = to_json(message)
        self._spread(key, text)

    def remember(self, key: str, message: dict[str, Any]) -> None:
        """What those are told who come later; those who are here have heard it."""
        self.values[key] = message
        self._latest[key] = to_json(message)

    def news(self, message: dict[str, Any]) -> None:
        """Something changed; of several such messages that wait, one is enough."""
        self._spread(str(message["type"]), to_json(message))

    def event(self, message: dict[str, Any]) -> None:
        """Something happened; each is sent."""
        text = to_json(message)
        for viewer in self._viewers:
            viewer.events.append(text)
            viewer.lagging = viewer.lagging or len(viewer.events) > _MOST_EVENTS
            viewer.wake()

    def levels(self, name: str, message: dict[str, Any]) -> None:
        """How loud a microphone is."""
        self._spread(f"levels {name}", to_json(message), lambda wishes: name in wishes.levels)

    def motion(self, name: str, message: dict[str, Any]) -> None:
        """What an IMU measured."""
        self._spread(f"imu {name}", to_json(message), lambda wishes: name in wishes.imus)

    def picture(self, camera: str, stamp_ns: int, jpeg: bytes | memoryview) -> None:
        """A preview."""
        if camera not in self._cameras:
            return
        index = self._cameras.index(camera)
        message = b"".join((bytes((index,)), stamp_ns.to_bytes(8), jpeg))
        for viewer in self._viewers:
            wishes = viewer.wishes
            if camera not in wishes.previews or stamp_ns < viewer.due.get(index, 0):
                continue
            viewer.due[index] = stamp_ns + round(_EARLY * 1e9 / wishes.rate_hz)
            viewer.skipped += index in viewer.pictures
            viewer.pictures[index] = message
            viewer.wake()

    def wanted_channels(self, microphone: str) -> set[int]:
        """Which channels somebody listens to."""
        wishes = [viewer.wishes.listen for viewer in self._viewers]
        return {listen[1] for listen in wishes if listen is not None and listen[0] == microphone}

    def sound(self, microphone: str, channel: int, sample_rate: int, samples: bytes) -> None:
        """A block of one channel, s16le."""
        message = b"".join((bytes((SOUND,)), sample_rate.to_bytes(4), b"\x01", samples))
        for viewer in self._viewers:
            if viewer.wishes.listen == (microphone, channel):
                viewer.sound.append(message)
                viewer.wake()

    def _spread(self, key: str, text: str, wanted: Callable[[Wishes], bool] = lambda wishes: True) -> None:
        for viewer in self._viewers:
            if wanted(viewer.wishes):
                viewer.states[key] = text
                viewer.wake()

    def _listen(self, said: object) -> tuple[str, int] | None:
        if said is None:
            return None
        if not isinstance(said, dict) or said.get("microphone") not in self._microphones:
            raise WrongRequest(f"listen: {said!r}: {{microphone, channel}} belongs here, with one of {', '.join(self._microphones)}")
        channel = said.get("channel", 0)
        if not isinstance(channel, int) or not 0 <= channel < self._microphones[said["microphone"]]:
            raise WrongRequest(f"listen: {said['microphone']} has no channel {channel!r}")
        return said["microphone"], channel

    def _tell_interest(self) -> None:
        wishes = [viewer.wishes for viewer in self._viewers]
        interest = Interest(
            previews=frozenset().union(*(one.previews for one in wishes)),
            levels=frozenset().union(*(one.levels for one in wishes)),
            imus=frozenset().union(*(one.imus for one in wishes)),
            sounds=frozenset(one.listen[0] for one in wishes if one.listen is not None),
        )
        if interest != self._interest:
            self._interest = interest
            self._want(interest)


def to_json(value: object) -> str:
    """JSON in which what is no number is null."""
    return pydantic_core.to_json(value, inf_nan_mode="null").decode()


def _names(said: Mapping[str, Any], key: str, known: Collection[str], before: frozenset[str]) -> frozenset[str]:
    if key not in said:
        return before
    names = said[key]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise WrongRequest(f"{key}: a list of names belongs here")
    if unknown := sorted(set(names) - set(known)):
        raise WrongRequest(f"{key}: {', '.join(unknown)}: no such device; there are: {', '.join(known) or 'none'}")
    return frozenset(names)


def _rate(said: object) -> float:
    if not isinstance(said, int | float) or isinstance(said, bool) or not 0 < said <= _FASTEST_HZ:
        raise WrongRequest(f"rate_hz: a number above 0 and up to {_FASTEST_HZ:g} belongs here")
    return float(said)
