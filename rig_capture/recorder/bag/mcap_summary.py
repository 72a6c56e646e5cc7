"""What ends an MCAP file: what it holds and where, so that readers need not read all of it (https://mcap.dev/spec)."""

from collections.abc import Sequence

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import DataEnd, Footer, McapRecord, Statistics, SummaryOffset

from rig_capture.recorder.bag.mcap_walk import MAGIC, McapContents


def write_end(writer: RecordBuilder, base: int, contents: McapContents) -> None:
    """Writes everything behind the data section: its end, the summary, the footer.

    Args:
        writer: takes the records.
        base: offset in the file of what the writer began with.
        contents: of the file; all its messages are in its chunks.
    """
    # CRC 0: not computed; each chunk has its own, and the manifest the SHA-256 of the whole file.
    DataEnd(data_section_crc=0).write(writer)
    summary_start = base + writer.count
    offsets: list[SummaryOffset] = []
    for opcode, records in _groups(contents):
        start = base + writer.count
        for record in records:
            record.write(writer)
        if records:
            offsets.append(SummaryOffset(opcode, start, base + writer.count - start))
    summary_offset_start = base + writer.count
    for offset in offsets:
        offset.write(writer)
    Footer(summary_start=summary_start, summary_offset_start=summary_offset_start, summary_crc=0).write(writer)
    writer.write(MAGIC)


def _groups(contents: McapContents) -> list[tuple[int, Sequence[McapRecord]]]:
    statistics = Statistics(
        attachment_count=0,
        channel_count=len(contents.channels),
        channel_message_counts=dict(contents.counts),
        chunk_count=len(contents.chunks),
        message_count=sum(contents.counts.values()),
        message_end_time=contents.last_ns or 0,
        message_start_time=contents.first_ns or 0,
        metadata_count=len(contents.metadata),
        schema_count=len(contents.schemas),
    )
    return [
        (Opcode.SCHEMA, list(contents.schemas.values())),
        (Opcode.CHANNEL, list(contents.channels.values())),
        (Opcode.STATISTICS, [statistics]),
        (Opcode.CHUNK_INDEX, contents.chunks),
        (Opcode.METADATA_INDEX, contents.metadata),
    ]
