"""Messages, and the QoS of their topics, out of what a session holds."""

import array

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rig_capture_msgs.msg import AudioChunk, VideoPacket
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosReliability
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from rig_capture.nodes.common.base import data_qos, time_message
from rig_capture.playback.items import Block, Packet

VIDEO_PACKET = "rig_capture_msgs/msg/VideoPacket"
AUDIO_CHUNK = "rig_capture_msgs/msg/AudioChunk"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
IMAGE = "sensor_msgs/msg/Image"


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header with the stamp of the recording."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def video_packet(packet: Packet, frame_id: str) -> VideoPacket:
    """As the camera published it."""
    return VideoPacket(
        header=header(packet.stamp_ns, frame_id),
        seq=packet.seq,
        codec=packet.codec,
        width=packet.width,
        height=packet.height,
        keyframe=packet.keyframe,
        pts_ns=packet.pts_ns,
        data=array.array("B", packet.data),
    )


def audio_chunk(block: Block, frame_id: str) -> AudioChunk:
    """As the microphone published it, but for the drift of its clock, which is not on record."""
    return AudioChunk(
        header=header(block.stamp_ns, frame_id),
        seq=block.seq,
        first_sample=block.first_sample,
        segment=block.segment,
        sample_rate=block.sample_rate,
        channels=block.channels,
        format=block.format,
        frames=block.frames,
        drift_ppm=float("nan"),
        data=array.array("B", block.data),
    )


def jpeg(packet: Packet, frame_id: str) -> CompressedImage:
    """A picture of a topic of compressed ones, which were copied."""
    return CompressedImage(header=header(packet.stamp_ns, frame_id), format="jpeg", data=array.array("B", packet.data))


def compressed_video(kind: type, packet: Packet, frame_id: str) -> object:
    """foxglove_msgs/CompressedVideo; its class is installed only where others need it."""
    stamp = time_message(packet.stamp_ns)
    return kind(timestamp=stamp, frame_id=frame_id, data=array.array("B", packet.data), format=packet.codec.replace("hevc", "h265"))


def played_qos(recorded: tuple[Qos, ...], depth: int) -> QoSProfile:
    """What all publishers of a topic offered together, as recorded: a subscriber that any of them served is served.

    Args:
        recorded: of each publisher; none: as this software publishes data.
        depth: where none is on record, or all history was kept.
    """
    if not recorded:
        return data_qos(depth)
    first = recorded[0]
    qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=max(each.depth for each in recorded) or depth)
    if any(each.history is QosHistory.KEEP_ALL for each in recorded):
        qos.history = HistoryPolicy.KEEP_ALL
    best_effort = all(each.reliability is QosReliability.BEST_EFFORT for each in recorded)
    qos.reliability = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
    latched = any(each.durability is QosDurability.TRANSIENT_LOCAL for each in recorded)
    qos.durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    if all(each.deadline == first.deadline for each in recorded):
        qos.deadline = Duration(seconds=first.deadline.sec, nanoseconds=first.deadline.nsec)
    if all(each.lifespan == first.lifespan for each in recorded):
        qos.lifespan = Duration(seconds=first.lifespan.sec, nanoseconds=first.lifespan.nsec)
    qos.liveliness = LivelinessPolicy.AUTOMATIC
    return qos
