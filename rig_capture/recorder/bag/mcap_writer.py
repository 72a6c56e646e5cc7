"""The default bag writer: MCAP files, with rosbag2's layout around them."""

import time
from pathlib import Path

import yaml

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.mcap_file import McapFile
from rig_capture.recorder.bag.metadata import BagFile, write_metadata
from rig_capture.recorder.files import FinishedFile, OnFinished
from rig_capture.session.atomic import sync_folder

_SYNC_S = 0.7


class McapBagWriter:
    """Writes ``bag_0.mcap``, ``bag_1.mcap``, ... and metadata.yaml; a new file every `chunk_s`."""

    def __init__(self, folder: Path, settings: RecorderSettings, recording_id: str, ros_distro: str, on_finished: OnFinished) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._chunk_s = settings.chunk_s
        self._compression = settings.compression
        self._custom = {"recording_id": recording_id}
        self._ros_distro = ros_distro
        self._on_finished = on_finished
        self._topics: list[BagTopic] = []
        self._counts: dict[str, int] = {}
        """Messages in the files that are finished."""
        self._finished: list[BagFile] = []
        self._mcap = self._begin_file(0)
        self._new_name = True
        self._channels: dict[str, int] = {}
        sync_folder(folder.parent)
        self._started = self._synced = time.monotonic()

    def add_topic(self, topic: BagTopic) -> None:
        self._topics.append(topic)
        self._counts[topic.name] = 0
        self._channels[topic.name] = self._channel(topic)

    def write(self, topic: str, data: bytes, received_ns: int) -> None:
        self._mcap.write(self._channels[topic], data, received_ns)

    def flush(self) -> None:
        self._mcap.push()
        now = time.monotonic()
        if now - self._started >= self._chunk_s and self._mcap.contents.first_ns is not None:
            self._begin_next_file()
            self._started = now
        elif now - self._synced >= _SYNC_S:
            self._mcap.sync()
            if self._new_name:
                sync_folder(self._folder)
                self._new_name = False
            self._synced = now

    def close(self) -> None:
        self._close_file()
        counted = [(topic, self._counts[topic.name]) for topic in self._topics]
        path = write_metadata(
            self._folder, self._finished, counted, ros_distro=self._ros_distro, compression=self._compression, custom=self._custom
        )
        self._on_finished(FinishedFile(path, "bag_metadata"))

    def _begin_file(self, number: int) -> McapFile:
        return McapFile(self._folder / f"{self._folder.name}_{number}.mcap", self._compression, self._custom)

    def _begin_next_file(self) -> None:
        # The next one first: where it can't be made, this one is still to be closed in order.
        following = self._begin_file(len(self._finished) + 1)
        self._new_name = True
        try:
            self._close_file()
        finally:
            self._mcap = following
            self._channels = {topic.name: self._channel(topic) for topic in self._topics}

    def _channel(self, topic: BagTopic) -> int:
        metadata = {"offered_qos_profiles": yaml.safe_dump(list(topic.offered_qos)), "topic_type_hash": topic.type_hash}
        return self._mcap.add_channel(topic.name, topic.type, topic.definition, metadata)

    def _close_file(self) -> None:
        self._mcap.close()
        contents = self._mcap.contents
        for name, channel in self._channels.items():
            self._counts[name] += contents.counts[channel]
        file = BagFile(self._mcap.path.name, contents.first_ns, contents.last_ns, sum(contents.counts.values()))
        self._finished.append(file)
        self._on_finished(FinishedFile(self._mcap.path, "bag", first_ns=file.first_ns, last_ns=file.last_ns))
