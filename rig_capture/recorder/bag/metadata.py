"""The metadata.yaml of a rosbag2 bag, version 9 (rosbag2_storage, bag_metadata.hpp)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.session.atomic import write_atomic

METADATA = "metadata.yaml"


@dataclass
class BagFile:
    """One file of a bag and what it holds."""

    name: str
    first_ns: int | None = None
    last_ns: int | None = None
    messages: int = 0

    def count(self, received_ns: int) -> None:
        """Takes note of a message."""
        self.first_ns = received_ns if self.first_ns is None else min(self.first_ns, received_ns)
        self.last_ns = received_ns if self.last_ns is None else max(self.last_ns, received_ns)
        self.messages += 1

    @property
    def duration_ns(self) -> int:
        """From the first to the last message."""
        return 0 if self.first_ns is None or self.last_ns is None else self.last_ns - self.first_ns


def write_metadata(
    folder: Path, files: list[BagFile], topics: Iterable[tuple[BagTopic, int]], *, ros_distro: str, compression: str, custom: dict[str, str]
) -> Path:
    """Writes the metadata.yaml of a bag.

    Args:
        folder: of the bag.
        files: in order.
        topics: each with its number of messages.
        ros_distro: such as ``jazzy``.
        compression: inside the storage, for people who look; rosbag2 itself needs none named for MCAP chunks.
        custom: rosbag2's custom_data.

    Returns:
        The file's path.

    Raises:
        OSError: it can't be written.
    """
    topics = list(topics)
    first = min((file.first_ns for file in files if file.first_ns is not None), default=0)
    last = max((file.last_ns for file in files if file.last_ns is not None), default=first)
    information: dict[str, Any] = {
        "version": 9,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": last - first},
        "starting_time": {"nanoseconds_since_epoch": first},
        "message_count": sum(file.messages for file in files),
        "topics_with_message_count": [_topic(topic, count) for topic, count in topics],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file.name for file in files],
        "files": [_file(file) for file in files],
        "custom_data": custom | ({"mcap_compression": compression} if compression else {}),
        "ros_distro": ros_distro,
    }
    path = folder / METADATA
    write_atomic(path, yaml.safe_dump({"rosbag2_bagfile_information": information}, sort_keys=False).encode())
    return path


def _topic(topic: BagTopic, count: int) -> dict[str, Any]:
    return {
        "topic_metadata": {
            "name": topic.name,
            "type": topic.type,
            "serialization_format": "cdr",
            "offered_qos_profiles": list(topic.offered_qos),
            "type_description_hash": topic.type_hash,
        },
        "message_count": count,
    }


def _file(file: BagFile) -> dict[str, Any]:
    return {
        "path": file.name,
        "starting_time": {"nanoseconds_since_epoch": file.first_ns or 0},
        "duration": {"nanoseconds": file.duration_ns},
        "message_count": file.messages,
    }
