"""The rosbag2 bag of a session: one protocol, and the writers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.errors import WriterUnavailable
from rig_capture.recorder.files import OnFinished


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag."""

    name: str
    """Absolute."""
    type: str
    definition: str
    """Text of the message definition, with all nested ones (encoding ros2msg)."""
    type_hash: str
    """REP 2011."""
    offered_qos: Sequence[dict[str, Any]] = field(default=())
    """QoS of its publishers, as rosbag2's metadata.yaml (version 9) writes it."""


def tells_of_changes(offered_qos: Sequence[dict[str, Any]]) -> bool:
    """Whether all publishers keep their last message for late subscribers: then silence means that nothing has changed."""
    return bool(offered_qos) and all(offered.get("durability") == "transient_local" for offered in offered_qos)


class BagWriter(Protocol):
    """Writes one bag. Used from one thread."""

    def add_topic(self, topic: BagTopic) -> None:
        """Makes a topic known before its first message."""

    def write(self, topic: str, data: bytes, received_ns: int) -> None:
        """Writes one serialized message (CDR), with the time it was received, ns. Raises OSError."""

    def flush(self) -> None:
        """Hands everything written so far to the kernel, and starts a new file where the time has come. Raises OSError."""

    def close(self) -> None:
        """Finishes the bag with its metadata.yaml. Raises OSError."""


def open_bag(folder: Path, settings: RecorderSettings, recording_id: str, ros_distro: str, on_finished: OnFinished) -> BagWriter:
    """The bag writer that the settings ask for.

    Args:
        folder: of the bag; must not exist.
        settings: writer, storage plug-in, compression, length of a file.
        recording_id: kept in the bag's metadata.
        ros_distro: such as ``jazzy``, for the metadata.
        on_finished: told of each finished file.

    Raises:
        WriterUnavailable: the profile asks for a writer that is not installed.
        OSError: the folder can't be made.
    """
    if settings.writer == "rosbag2":
        from rig_capture.recorder.bag.rosbag2_writer import Rosbag2BagWriter, available

        if not available():
            raise WriterUnavailable("writer rosbag2: rosbag2_py is not installed; install ros-<distro>-rosbag2-py, or use writer mcap")
        return Rosbag2BagWriter(folder, settings, on_finished)
    if settings.storage_id != "mcap":
        raise WriterUnavailable(f"writer mcap writes no {settings.storage_id}; use writer rosbag2 for other storage plug-ins")
    from rig_capture.recorder.bag.mcap_writer import McapBagWriter

    return McapBagWriter(folder, settings, recording_id, ros_distro, on_finished)
