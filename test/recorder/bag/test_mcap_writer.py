"""What the bag writer writes, other readers read: every message, every sum, every index."""

import zlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from rosbags.rosbag2 import Reader

from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.mcap_file import McapFile
from rig_capture.recorder.bag.mcap_walk import BagMessage, walk
from rig_capture.recorder.bag.mcap_writer import McapBagWriter
from rig_capture.recorder.bag.metadata import METADATA
from rig_capture.recorder.files import FinishedFile

TYPE = "std_msgs/msg/ByteMultiArray"
MESSAGES = st.lists(
    st.one_of(st.tuples(st.sampled_from("abc"), st.integers(0, 5000) | st.sampled_from([100_000, 800_000])), st.none()), max_size=40
)


def topic(name: str) -> BagTopic:
    return BagTopic(name, TYPE, "byte[] data", "RIHS01_" + "0" * 64)


def bag(folder: Path, settings: RecorderSettings, told: list[FinishedFile] | None = None) -> McapBagWriter:
    writer = McapBagWriter(folder, settings, "rec_test", "jazzy", (told if told is not None else []).append)
    writer.add_topic(topic("/data"))
    return writer


def written(folder: Path, compression: str) -> Path:
    writer = bag(folder, RecorderSettings(compression=compression))
    for number, size in enumerate((10, 700_000, 200_000, 2_700_000, 1)):
        writer.write("/data", bytes(range(256)) * (size // 256 + 1), number)
    writer.flush()
    writer.write("/data", b"last", 5)
    writer.close()
    return folder / f"{folder.name}_0.mcap"


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_chunks_carry_a_sum_that_readers_check(tmp_path: Path, compression: str) -> None:
    path = written(tmp_path / "bag", compression)
    with path.open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == 6
    with path.open("rb") as file:
        chunks = [record for record in StreamReader(file, emit_chunks=True).records if isinstance(record, Chunk)]
    assert len(chunks) >= 3
    assert all(chunk.uncompressed_crc for chunk in chunks), "0 says that there is none"
    if not compression:
        assert [zlib.crc32(chunk.data) for chunk in chunks] == [chunk.uncompressed_crc for chunk in chunks]


@settings(max_examples=40, deadline=None)
@given(steps=MESSAGES, compression=st.sampled_from(["", "lz4", "zstd"]))
def test_every_message_is_found_again_from_the_front_and_by_the_index(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int] | None], compression: str
) -> None:
    path = tmp_path_factory.mktemp("bag") / "one.mcap"
    file = McapFile(path, compression, {"recording_id": "rec_test"})
    channels = {name: file.add_channel(f"/{name}", TYPE, "byte[] data", {"topic_type_hash": ""}) for name in "abc"}
    expected = []
    for number, step in enumerate(steps):
        if step is None:
            file.push()
        else:
            name, size = step
            data = number.to_bytes(4, "little") + bytes(size)
            file.write(channels[name], data, 1000 + number)
            expected.append((f"/{name}", 1000 + number, data))
    file.close()

    with path.open("rb") as opened:
        reader = make_reader(opened, validate_crcs=True)
        summary = reader.get_summary()
        by_index = [(channel.topic, message.log_time, message.data) for _, channel, message in reader.iter_messages()]
        late = [message.log_time for *_, message in reader.iter_messages(topics=["/a"], starting_at=1010, ending_before=1020)]
    assert summary is not None
    assert summary.statistics is not None
    assert by_index == expected
    assert late == [time for name, time, _ in expected if name == "/a" and 1010 <= time < 1020]
    assert summary.statistics.message_count == len(expected)
    assert len(summary.schemas) == 1
    assert {channel.topic for channel in summary.channels.values()} == {"/a", "/b", "/c"}
    walked: list[BagMessage] = []
    assert walk(path, walked.append).finished
    assert len(walked) == len(expected)


def test_of_a_file_that_ends_anywhere_all_whole_messages_are_found(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    file = McapFile(path, "", {})
    channel = file.add_channel("/data", TYPE, "byte[] data", {})
    for number in range(30):
        file.write(channel, bytes([number]) * 300, number)
        if number % 10 == 9:
            file.push()
    whole = path.read_bytes()
    file.close()
    found = []
    for end in range(len(whole) % 97, len(whole) + 1, 97):
        path.write_bytes(whole[:end])
        times: list[int] = []
        walk(path, lambda message, times=times: times.append(message.log_time_ns))  # type: ignore[misc]
        assert times == list(range(len(times)))
        found.append(len(times))
    assert found == sorted(found)
    assert (found[0], found[-1], len(set(found))) == (0, 30, 31)


def test_a_new_file_knows_all_topics_and_the_bag_counts_all_files(tmp_path: Path) -> None:
    told: list[FinishedFile] = []
    writer = bag(tmp_path / "bag", RecorderSettings(chunk_s=1e-9), told)
    writer.flush()  # nothing in it: it goes on
    writer.write("/data", b"\0\1\0\0", 10)
    writer.flush()
    writer.add_topic(topic("/silent"))
    writer.write("/data", b"\0\1\0\0", 20)
    writer.close()
    assert [(file.path.name, file.first_ns, file.last_ns) for file in told[:-1]] == [("bag_0.mcap", 10, 10), ("bag_1.mcap", 20, 20)]
    with Reader(tmp_path / "bag") as reader:
        assert [(connection.topic, time) for connection, time, _ in reader.messages()] == [("/data", 10), ("/data", 20)]
        assert (reader.start_time, reader.end_time) == (10, 21)
    information = yaml.safe_load((tmp_path / "bag" / METADATA).read_text())["rosbag2_bagfile_information"]
    counts = {each["topic_metadata"]["name"]: each["message_count"] for each in information["topics_with_message_count"]}
    assert (information["message_count"], counts) == (2, {"/data": 2, "/silent": 0})


def test_where_no_further_file_can_be_made_the_one_before_is_still_closed_in_order(tmp_path: Path) -> None:
    writer = bag(tmp_path / "bag", RecorderSettings(chunk_s=1e-9))
    writer.write("/data", b"\0\1\0\0", 10)
    (tmp_path / "bag" / "bag_1.mcap").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError):
        writer.flush()
    writer.close()
    assert walk(tmp_path / "bag" / "bag_0.mcap").finished
    assert (tmp_path / "bag" / "bag_1.mcap").read_bytes() == b"somebody's"
