"""A session as one MCAP file for Foxglove: messages as they were recorded, video and sound in Foxglove's own types, not encoded anew."""

from collections.abc import Callable
from pathlib import Path

import foxglove
from foxglove.channels import CompressedImageChannel, CompressedVideoChannel, RawAudioChannel
from foxglove.messages import CompressedImage, CompressedVideo, RawAudio, Timestamp
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from rig_capture.exporting.wish import Work, file_stem
from rig_capture.playback.errors import PlaybackError
from rig_capture.playback.items import Block, Item, Packet
from rig_capture.playback.session import PlayedSession, Source

_VIDEO = {"h264": "h264", "hevc": "h265", "av1": "av1"}
"""Codecs that Foxglove shows, with its names for them (foxglove.CompressedVideo)."""
_EVERY = 100

Put = Callable[[Item], bool]
"""Writes an item; False where Foxglove has no form for it."""


def export_foxglove(work: Work) -> None:
    """Writes ``NAME.mcap``. Raises PlaybackError, WrongWish, UnknownStream."""
    session = work.session
    work.wish.streams_of(session, ("video", "audio", "topic"))
    path = work.folder / f"{file_stem(session.recording_id)}.mcap"
    counts: dict[str, int] = {}
    unfit: set[str] = set()
    with PlayedSession(session.path, work.wish.streams) as played:
        sources = {source.name: source for source in played.sources}
        total = sum(session.streams[name].entry.messages for name in sources if name in session.streams)
        with foxglove.open_mcap(path, context=(context := foxglove.Context())) as writer:
            writer.write_metadata("rig_capture", {"recording_id": session.recording_id})
            definitions = _definitions(session.path / "bag")
            puts = {name: _put(source, definitions, context) for name, source in sources.items()}
            try:
                for done, item in enumerate(played.items(played.begin_ns)):
                    if done % _EVERY == 0:
                        work.progress(item.stream, done, max(total, done))
                    if puts[item.stream](item):
                        counts[item.stream] = counts.get(item.stream, 0) + 1
                    elif item.stream not in unfit:
                        unfit.add(item.stream)
                        work.exported.left_out.append(_why(item))
            except PlaybackError as error:
                work.exported.losses.append(str(error))
    work.add(path, ", ".join(counts), messages=sum(counts.values()), streams=counts)


def _put(source: Source, definitions: dict[str, str], context: foxglove.Context) -> Put:
    topic = f"/{source.topic.lstrip('/')}"
    if source.kind == "topic":
        schema = foxglove.Schema(name=source.type, encoding="ros2msg", data=definitions[source.type].encode())
        channel = foxglove.Channel(topic, schema=schema, message_encoding="cdr", context=context)

        def put_message(item: Item) -> bool:
            channel.log(item.content, log_time=item.due_ns)
            return True

        return put_message
    return _sound(topic, context) if source.kind == "audio" else _video(topic, source.frame_id, context)


def _video(topic: str, frame_id: str, context: foxglove.Context) -> Put:
    video: CompressedVideoChannel | None = None
    pictures: CompressedImageChannel | None = None

    def put(item: Item) -> bool:
        nonlocal video, pictures
        packet = item.content
        assert isinstance(packet, Packet)
        stamp = _timestamp(packet.stamp_ns)
        if packet.codec == "mjpeg":
            pictures = pictures or CompressedImageChannel(topic, context=context)
            pictures.log(CompressedImage(timestamp=stamp, frame_id=frame_id, data=packet.data, format="jpeg"), log_time=item.due_ns)
        elif packet.codec in _VIDEO:
            video = video or CompressedVideoChannel(topic, context=context)
            message = CompressedVideo(timestamp=stamp, frame_id=frame_id, data=packet.data, format=_VIDEO[packet.codec])
            video.log(message, log_time=item.due_ns)
        else:
            return False
        return True

    return put


def _sound(topic: str, context: foxglove.Context) -> Put:
    channel = RawAudioChannel(topic, context=context)

    def put(item: Item) -> bool:
        block = item.content
        assert isinstance(block, Block)
        if block.format != "S16LE":
            return False
        message = RawAudio(
            timestamp=_timestamp(block.stamp_ns),
            data=bytes(block.data),
            format="pcm-s16",
            sample_rate=block.sample_rate,
            number_of_channels=block.channels,
        )
        channel.log(message, log_time=item.due_ns)
        return True

    return put


def _why(item: Item) -> str:
    if isinstance(item.content, Block):
        return f"{item.stream}: Foxglove takes sound of 16 bit, and this is {item.content.format}; --format wav has all of it"
    assert isinstance(item.content, Packet)
    return f"{item.stream}: Foxglove shows no {item.content.codec}"


def _definitions(bag: Path) -> dict[str, str]:
    """Definitions of the types in a bag, as they are embedded in it; none where there is no bag."""
    if not (bag / "metadata.yaml").exists():
        return {}
    with AnyReader([bag], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        return {connection.msgtype: connection.msgdef.data for connection in reader.connections}


def _timestamp(stamp_ns: int) -> Timestamp:
    return Timestamp(stamp_ns // 10**9, stamp_ns % 10**9)
