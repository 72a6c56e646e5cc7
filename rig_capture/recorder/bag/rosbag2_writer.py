"""The bag writer of ROS 2 itself, with its storage plug-ins; only where ROS provides rosbag2_py."""

from pathlib import Path

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.metadata import METADATA
from rig_capture.recorder.errors import WriterUnavailable
from rig_capture.recorder.files import FinishedFile, OnFinished

try:
    import rosbag2_py
except ImportError:  # the wheels of ROS 2 do not bring it; `available` tells
    rosbag2_py = None


def available() -> bool:
    """Whether this machine has rosbag2_py."""
    return rosbag2_py is not None


class Rosbag2BagWriter:
    """rosbag2_py's SequentialWriter; files are split by it, and finished ones are reported at the end."""

    def __init__(self, folder: Path, settings: RecorderSettings, on_finished: OnFinished) -> None:
        if rosbag2_py is None:
            raise WriterUnavailable("rosbag2_py is not installed")
        self._folder = folder
        self._on_finished = on_finished
        self._writer = rosbag2_py.SequentialWriter()
        # Cache 0: with the default of 100 MiB a fast stream is dropped without a word.
        storage = rosbag2_py.StorageOptions(
            uri=str(folder), storage_id=settings.storage_id, max_bagfile_duration=max(1, round(settings.chunk_s)), max_cache_size=0
        )
        self._writer.open(storage, rosbag2_py.ConverterOptions("cdr", "cdr"))
        self._topics = 0

    def add_topic(self, topic: BagTopic) -> None:
        metadata = rosbag2_py.TopicMetadata(
            id=self._topics, name=topic.name, type=topic.type, serialization_format="cdr", type_description_hash=topic.type_hash
        )
        self._writer.create_topic(metadata)
        self._topics += 1

    def write(self, topic: str, data: bytes, received_ns: int) -> None:
        self._writer.write(topic, data, received_ns)

    def flush(self) -> None:
        """Nothing to do: without a cache each message goes to the storage plug-in at once."""

    def close(self) -> None:
        self._writer.close()
        for path in sorted(self._folder.iterdir()):
            self._on_finished(FinishedFile(path, "bag_metadata" if path.name == METADATA else "bag"))
