"""What programs without ROS of their own hear of a rig's sound: its levels, its samples, its last seconds.

As in `client`, no ROS message leaves this module.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from rclpy.callback_groups import ReentrantCallbackGroup
from rig_capture_msgs.msg import AudioChunk, AudioLevel
from rig_capture_msgs.srv import Listen

from rig_capture.nodes.clients.calls import call
from rig_capture.nodes.clients.errors import Refused
from rig_capture.nodes.clients.rig import RigClient
from rig_capture.nodes.common.qos import data_qos
from rig_capture.nodes.common.sound import levels_of
from rig_capture.sensing.audio.levels import Levels

_LOOK_S = 0.1
_SERVICE_S = 5.0


@dataclass(frozen=True)
class HeardSound:
    """A block of samples as it came."""

    sample_format: str
    """``S16LE``, ``S24LE``, ``S32LE`` or ``F32LE``."""
    sample_rate: int
    channels: int
    data: bytes


@dataclass(frozen=True)
class LastSound:
    """The last seconds of a source, as a whole file."""

    kind: str
    """wav or opus."""
    data: bytes
    duration_s: float


class SoundClient(RigClient):
    """A client that also hears the sound of a rig. What is heard is told in the client's own thread."""

    def sources(self, timeout_s: float) -> list[str]:
        """Names of the rig's sources of sound, once any is seen; none where none is in time."""
        deadline = time.monotonic() + timeout_s
        while not (found := self._level_topics()) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        return found

    def hear_levels(self, names: Collection[str], tell: Callable[[str, Levels], None]) -> None:
        """From now on tells each source's levels, by its name."""
        for name in names:
            self._node.create_subscription(AudioLevel, f"{name}/level", self._levels_teller(name, tell), data_qos(20))

    def hear_sound(self, name: str, tell: Callable[[HeardSound], None]) -> None:
        """From now on tells each block of a source."""

        def take(message: AudioChunk) -> None:
            tell(HeardSound(message.format, message.sample_rate, message.channels, bytes(message.data)))

        self._node.create_subscription(AudioChunk, f"{name}/audio", take, data_qos(200))

    def last_sound(self, name: str, seconds: float, kind: str, timeout_s: float = 30.0) -> LastSound:
        """The last seconds of a source.

        Args:
            name: of the source.
            seconds: how many; as many as are kept, where those are fewer.
            kind: wav or opus.
            timeout_s: longest wait for the answer.

        Raises:
            Refused: the source keeps none.
            NoAnswer: there is no such source, or it does not answer.
        """
        service = self._node.create_client(Listen, f"{name}/listen", callback_group=ReentrantCallbackGroup())
        response = call(
            service,
            Listen.Request(seconds=float(seconds), format=kind),
            offered_s=_SERVICE_S,
            answered_s=timeout_s,
            hint=lambda: f"sources of sound in this rig: {', '.join(self._level_topics()) or 'none'}",
            log=f"the log of {name}",
        )
        if not response.success:
            raise Refused(response.message)
        return LastSound(kind, response.data.tobytes(), response.duration_s)

    def _level_topics(self) -> list[str]:
        namespace = self._namespace.rstrip("/") + "/"
        found = [
            topic.removeprefix(namespace).removesuffix("/level")
            for topic, types in self._node.get_topic_names_and_types()
            if types == ["rig_capture_msgs/msg/AudioLevel"] and topic.startswith(namespace) and topic.endswith("/level")
        ]
        return sorted(name for name in found if "/" not in name)

    @staticmethod
    def _levels_teller(name: str, tell: Callable[[str, Levels], None]) -> Callable[[AudioLevel], None]:
        return lambda message: tell(name, levels_of(message))
