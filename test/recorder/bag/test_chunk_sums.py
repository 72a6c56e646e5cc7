"""Every chunk of a bag carries the CRC-32 of its records, whoever computed it."""

import zlib
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader

from rig_capture.profiles.settings import RecorderSettings
from rig_capture.recorder.bag.bag import BagTopic
from rig_capture.recorder.bag.foxglove_writer import FoxgloveBagWriter


def bag(folder: Path, settings: RecorderSettings) -> Path:
    writer = FoxgloveBagWriter(folder, settings, "rec_test", "jazzy", lambda file: None)
    writer.add_topic(BagTopic("/data", "std_msgs/msg/ByteMultiArray", "byte[] data", "RIHS01_" + "0" * 64))
    for number, size in enumerate((10, 700_000, 200_000, 2_700_000, 1)):
        writer.write("/data", bytes(range(256)) * (size // 256 + 1), number)
    writer.flush()
    writer.write("/data", b"last", 5)
    writer.close()
    return folder / f"{folder.name}_0.mcap"


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_chunks_carry_a_sum_that_readers_check(tmp_path: Path, compression: str) -> None:
    path = bag(tmp_path / "bag", RecorderSettings(compression=compression))
    with path.open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == 6
    with path.open("rb") as file:
        chunks = [record for record in StreamReader(file, emit_chunks=True).records if isinstance(record, Chunk)]
    assert len(chunks) >= 3
    assert all(chunk.uncompressed_crc for chunk in chunks), "0 says that there is none"
    if not compression:
        assert [zlib.crc32(chunk.data) for chunk in chunks] == [chunk.uncompressed_crc for chunk in chunks]


def test_a_large_record_of_another_kind_is_no_chunk_whatever_it_begins_with(tmp_path: Path) -> None:
    writer = FoxgloveBagWriter(tmp_path / "bag", RecorderSettings(), "rec_test", "jazzy", lambda file: None)
    # The sixth channel's record begins with its number, which is also that of chunks; its publishers make it large.
    offers = [{"reliability": "reliable", "depth": number} for number in range(200)]
    for number in range(1, 8):
        writer.add_topic(BagTopic(f"/data_{number}", "std_msgs/msg/Byte", "byte data", "RIHS01_" + "0" * 64, offers))
        writer.write(f"/data_{number}", b"x", number)
    writer.close()
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert len({channel.metadata["offered_qos_profiles"] for channel in summary.channels.values()}) == 1
