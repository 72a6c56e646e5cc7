"""Settings of the recorder."""

import json
from typing import Literal

from pydantic import Field, field_validator

from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.settings.rig import DeliverySettings, IdentitySettings, StorageSettings
from rig_capture.profiles.units import Bytes


class RecorderSettings(Settings):
    """How sessions are written."""

    chunk_s: float = Field(60.0, gt=0, le=86400, json_schema_extra=LIVE)
    """Length of one Matroska chunk and one bag file."""
    writer: Literal["mcap", "rosbag2"] = "mcap"
    """Bag writer: the recorder's own (MCAP), or rosbag2_py with its storage plug-ins where ROS provides it."""
    storage_id: str = "mcap"
    """Storage plug-in of the rosbag2 writer."""
    compression: Literal["", "zstd", "lz4"] = Field("", json_schema_extra=LIVE)
    """Compression of bag chunks."""
    topics: tuple[str, ...] = Field((), json_schema_extra=LIVE)
    """Topics to record beside the rig's own: by name, by pattern such as /robot/*/joint_states or re:/robot/(a|b)/.*, or by type
    as in type:sensor_msgs/msg/Imu. Patterns and types also take topics that appear while recording."""
    exclude: tuple[str, ...] = Field((), json_schema_extra=LIVE)
    """What patterns and types leave out; written like `topics`."""
    images: Literal["bag", "video"] = Field("bag", json_schema_extra=LIVE)
    """Image topics among `topics`: into the bag as they are, or as video (raw pictures encoded, JPEG and video packets copied)."""
    image_codec: Literal["h264", "hevc", "av1", "ffv1", "mjpeg"] = Field("h264", json_schema_extra=LIVE)
    """Codec of raw pictures; 16 bit ones are always kept without loss, by ffv1."""
    image_quality: int = Field(23, ge=0, le=63, json_schema_extra=LIVE)
    """Constant quality (CRF) of that codec; lower is better and larger."""
    image_preset: str = Field("veryfast", pattern=r"^[a-z]+$", json_schema_extra=LIVE)
    """Speed preset of x264 and x265."""
    image_encoder: Literal["auto", "ffmpeg", "pyav"] = Field("auto", json_schema_extra=LIVE)
    """What encodes raw pictures: the ffmpeg program where it is installed, else PyAV; the other takes over where one fails."""
    audio_codec: Literal["pcm", "flac", "opus"] = Field("pcm", json_schema_extra=LIVE)
    """How sound is kept: as captured, by FLAC without loss (16 and 24 bit; other formats stay PCM), or by Opus."""
    audio_bitrate: int = Field(96_000, ge=6_000, le=512_000, json_schema_extra=LIVE)
    """Bits per second and channel of Opus."""
    ready_timeout_s: float = Field(10.0, gt=0, le=600, json_schema_extra=LIVE)
    """Longest wait at start for every required device to deliver."""
    answer_timeout_s: float = Field(5.0, gt=0, le=600, json_schema_extra=LIVE)
    """Where each host of a rig records: longest wait for another recorder's answer, at a start beyond `ready_timeout_s`."""
    host_lost_s: float = Field(5.0, gt=1, le=3600, json_schema_extra=LIVE)
    """A recorder of another host that is silent for so long is reported."""
    health_check_s: float = Field(1.0, gt=0, le=60, json_schema_extra=LIVE)
    """Time between looks at the streams of a recording."""
    clock_wait_s: float = Field(0.5, ge=0, le=10, json_schema_extra=LIVE)
    """Longest wait at the stop for a last measurement of the other hosts' clocks."""
    silent_s: float = Field(5.0, gt=0, le=3600, json_schema_extra=LIVE)
    """A required stream silent for so long is reported, where its device names no time-out of its own."""
    growth_grace_s: float = Field(10.0, ge=0, le=3600)
    """So long after its start a recording's files need not grow yet."""
    growth_stall_s: float = Field(30.0, gt=0, le=3600)
    """A file that does not grow for so long, while messages for it come, is stalled."""
    min_stream_bytes: int = Field(1024, ge=0)
    """A stream of video or sound whose files hold less at the end, though messages came, is reported."""
    make_room: bool = Field(True, json_schema_extra=LIVE)
    """Where room gets short, the oldest sessions that are proven to be in store and catalog are removed."""
    room_margin: Bytes = Field(500_000_000, ge=0, json_schema_extra=LIVE)
    """Room gets short so many bytes above storage_reserve, or below storage_limit (there at most a quarter of it)."""
    keep_days: float = Field(0.0, ge=0, le=36500, json_schema_extra=LIVE)
    """While nothing is recorded, sessions older than so many days are removed, once proven to be in store and catalog; 0: never."""
    keep_free: Bytes = Field(0, ge=0, json_schema_extra=LIVE)
    """While nothing is recorded, the oldest sessions so proven are removed until so many bytes are free on the disk; 0: never."""
    jobs: str = Field("all", pattern=r"^(all|only [0-9a-f]{6})$")
    """Which recordings on the queue of `rig jobs` are begun: all, or "only ID"."""
    queue_mb: int = Field(128, ge=1, le=65536, json_schema_extra=LIVE)
    """Most megabytes waiting for one file's writer; what comes beyond is dropped, and counted."""
    depth: int = Field(200, ge=1, le=100000)
    """History depth of subscriptions."""
    merge: bool = Field(False, json_schema_extra=LIVE)
    """After the stop make one recording.mkv of all streams, by stream copy, in the background."""
    keep_chunks: bool = Field(True, json_schema_extra=LIVE)
    """Keep the chunks of video and audio beside recording.mkv; without, they are removed when that is proven whole."""
    merge_topics: tuple[str, ...] = Field(("*",), json_schema_extra=LIVE)
    """Topics that become subtitle tracks of recording.mkv, a message as JSON each: names or patterns such as imu*; -: none."""
    report: bool = Field(False, json_schema_extra=LIVE)
    """After the stop make a quality report, in the background, and add it to the session."""
    lookback_s: float = Field(0.0, ge=0, le=3600)
    """Seconds kept in memory while nothing is recorded, to be saved by a trigger; 0: none. Cameras then encode all the time."""
    lookback_mb: int = Field(256, ge=1, le=65536)
    """Most megabytes of these seconds."""
    lookahead_s: float = Field(10.0, gt=0, le=86400, json_schema_extra=LIVE)
    """How long recording goes on after a trigger."""
    trigger_topic: str = ""
    """A topic whose messages are triggers; empty: none."""
    trigger_type: str = "std_msgs/msg/Bool"
    """Its type. Of std_msgs/msg/Bool the change to true triggers, of std_msgs/msg/String the text is the label, of others each one."""
    trigger_health: Literal["", "warning", "error"] = ""
    """Health events of this severity or worse are triggers; empty: none."""


class RecorderParameters(IdentitySettings, StorageSettings, DeliverySettings, RecorderSettings):
    """All parameters of the recorder node."""

    streams: tuple[str, ...] = ()
    """The rig's own streams, each "KIND TOPIC TYPE required|optional [TIMEOUT_S]" with KIND video, audio or topic."""
    followers: tuple[str, ...] = ()
    """Recorders of other hosts that this one starts, stops and cancels with its own, each "HOST FULL_NAME required|optional"."""
    leader: str = ""
    """Full name of the recorder that starts and stops this one with its own; empty: none."""
    profile: str = Field("{}", json_schema_extra=LIVE)
    """The effective profile as JSON, for the manifest."""

    @field_validator("profile")
    @classmethod
    def _profile_is_json(cls, value: str) -> str:
        if not isinstance(json.loads(value), dict):
            raise ValueError("a JSON object belongs here")  # noqa: TRY004 - pydantic takes ValueError only
        return value
