"""The default bag writer: MCAP through foxglove-sdk, with rosbag2's layout around it."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import foxglove
import yaml
from foxglove.mcap import MCAPCompression, MCAPWriteOptions, MCAPWriter

from rig_capture.profiles.settings import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.chunk_sums import ChunkSums
from rig_capture.recorder.bag.direct_file import DirectFile
from rig_capture.recorder.bag.metadata import BagFile, write_metadata
from rig_capture.recorder.files import FinishedFile, OnFinished
from rig_capture.session.atomic import sync_folder

_COMPRESSION = {"": None, "zstd": MCAPCompression.Zstd, "lz4": MCAPCompression.Lz4}
_CHUNK_BYTES = 768 * 1024
"""As rosbag2; a chunk that fits a core's own cache is copied from there, and summed there."""
_SYNC_S = 0.7


class FoxgloveBagWriter:
    """Writes ``bag_0.mcap``, ``bag_1.mcap``, ... and metadata.yaml; a new file every `chunk_s`."""

    def __init__(self, folder: Path, settings: RecorderSettings, recording_id: str, ros_distro: str, on_finished: OnFinished) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._chunk_s = settings.chunk_s
        self._compression = settings.compression
        self._recording_id = recording_id
        self._ros_distro = ros_distro
        self._on_finished = on_finished
        self._topics: dict[str, BagTopic] = {}
        self._counts: dict[str, int] = {}
        self._files: list[BagFile] = []
        self._channels: dict[str, foxglove.Channel] = {}
        self._context = foxglove.Context()
        self._new_name = True
        self._writer = self._open()
        sync_folder(folder.parent)
        self._started = self._synced = time.monotonic()

    def add_topic(self, topic: BagTopic) -> None:
        self._topics[topic.name] = topic
        self._counts[topic.name] = 0
        self._channels[topic.name] = self._channel(topic)

    def write(self, topic: str, data: bytes, received_ns: int) -> None:
        self._channels[topic].log(data, log_time=received_ns)
        self._files[-1].count(received_ns)
        self._counts[topic] += 1

    def flush(self) -> None:
        now = time.monotonic()
        if now - self._started >= self._chunk_s and self._files[-1].messages:
            self._close_file()
            self._writer = self._open()
            self._channels = {name: self._channel(topic) for name, topic in self._topics.items()}
            self._started = now
            return
        # Closes the writer's open chunk, whatever its compression, and hands it to the kernel.
        with self._failures_as_os_errors():
            self._writer.flush()
            self._file.push()
        if now - self._synced >= _SYNC_S:
            self._file.sync()
            if self._new_name:
                sync_folder(self._folder)
                self._new_name = False
            self._synced = now

    def close(self) -> None:
        self._close_file()
        counted = [(topic, self._counts[name]) for name, topic in self._topics.items()]
        custom = {"recording_id": self._recording_id}
        path = write_metadata(self._folder, self._files, counted, ros_distro=self._ros_distro, compression=self._compression, custom=custom)
        self._on_finished(FinishedFile(path, "bag_metadata"))

    def _open(self) -> MCAPWriter:
        name = f"{self._folder.name}_{len(self._files)}.mcap"
        self._files.append(BagFile(name))
        self._new_name = True
        # A context of its own: channels of the file before are closed with it, and nothing else in the process logs here.
        self._context = foxglove.Context()
        options = MCAPWriteOptions(
            profile="ros2",
            compression=_COMPRESSION[self._compression],
            chunk_size=_CHUNK_BYTES,
            disable_seeking=True,
            calculate_chunk_crcs=bool(self._compression),  # else ChunkSums does
            calculate_data_section_crc=False,  # a second one over what each chunk's own covers, and the manifest's SHA-256 does
        )
        self._file = DirectFile(self._folder / name)
        file = self._file if self._compression else ChunkSums(self._file)
        writer = foxglove.open_mcap(file, context=self._context, writer_options=options)
        writer.write_metadata("rig_capture", {"recording_id": self._recording_id})
        return writer

    def _channel(self, topic: BagTopic) -> foxglove.Channel:
        schema = foxglove.Schema(name=topic.type, encoding="ros2msg", data=topic.definition.encode())
        metadata = {"offered_qos_profiles": yaml.safe_dump(list(topic.offered_qos)), "topic_type_hash": topic.type_hash}
        return foxglove.Channel(topic.name, schema=schema, message_encoding="cdr", context=self._context, metadata=metadata)

    def _close_file(self) -> None:
        file = self._files[-1]
        try:
            with self._failures_as_os_errors():
                self._writer.close()
        finally:
            self._file.close()
        self._on_finished(FinishedFile(self._folder / file.name, "bag", first_ns=file.first_ns, last_ns=file.last_ns))

    @contextlib.contextmanager
    def _failures_as_os_errors(self) -> Iterator[None]:
        """The library's error has no class that could be named, and does not tell why a write failed; the file does."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            if self._file.failure is not None:
                raise self._file.failure from error
            raise
