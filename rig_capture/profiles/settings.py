"""The settings of each kind of node.

Every model here is flat: a field is a ROS parameter of the node of the same name, with the field's description, range and
default (`nodes/parameters.py`). A field with ``live=True`` may be changed while the node runs; all others are read-only.
Numbers are in SI units unless the name says otherwise. Empty text or zero means "not set", since ROS parameters have no null.
"""

import shlex
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from rig_capture.profiles.units import Bytes

LIVE: dict[str, Any] = {"live": True}


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True)


class DeviceSettings(Settings):
    """What every sensor node has."""

    required: bool = True
    """A recording is refused while this device delivers nothing."""
    frame_id: str = ""
    """Frame of the header (REP 105); empty: made from the node's name."""
    retry_min_s: float = Field(0.5, gt=0, le=60)
    """First wait before a lost device is tried again."""
    retry_max_s: float = Field(10.0, gt=0, le=3600)
    """Longest wait before a lost device is tried again."""
    timeout_s: float = Field(5.0, gt=0, le=3600)
    """A device that delivers nothing for so long counts as lost."""


class CameraSettings(DeviceSettings):
    """A camera."""

    driver: Literal["synthetic", "file", "rtsp", "lavfi", "v4l2"] = "synthetic"
    """Where frames come from."""
    source: str = ""
    """A file's path, an RTSP address, a lavfi graph or a V4L2 device such as /dev/video0."""
    width: int = Field(1280, ge=0, le=16384)
    """Width of the encoded picture in pixels; 0: as the source delivers."""
    height: int = Field(720, ge=0, le=16384)
    """Height of the encoded picture in pixels; 0: as the source delivers."""
    fps: float = Field(30.0, ge=0, le=1000)
    """Frames per second asked of the source; 0: as it delivers."""
    loop: bool = True
    """A file starts again at its end."""
    pixel_format: Literal["", "mjpeg", "yuyv422", "nv12", "h264"] = ""
    """Format asked of a V4L2 device; empty: the device's choice."""
    exposure_us: int = Field(0, ge=0, le=10_000_000)
    """Exposure time of a V4L2 device in microseconds; 0: as the device is set."""
    codec: Literal["h264", "hevc", "av1", "mjpeg", "ffv1", "copy"] = "h264"
    """Codec of the video topic; copy: the source's own packets, not decoded, not encoded."""
    quality: int = Field(23, ge=0, le=63, json_schema_extra=LIVE)
    """Constant quality of the encoder (CRF; for mjpeg the quantiser scale); lower is better and larger."""
    bitrate: int = Field(0, ge=0)
    """Bits per second instead of constant quality; 0: constant quality."""
    preset: str = "ultrafast"
    """Speed preset of x264 and x265; ignored by others."""
    keyframe_interval_s: float = Field(1.0, gt=0, le=60)
    """Time between keyframes."""
    encoder_threads: int = Field(1, ge=0, le=64)
    """Threads of the encoder; 0: its own choice."""
    preview_fps: float = Field(2.0, ge=0, le=60, json_schema_extra=LIVE)
    """JPEG previews per second; 0: none."""
    preview_width: int = Field(320, ge=16, le=4096, json_schema_extra=LIVE)
    """Width of previews in pixels; the height keeps the aspect ratio."""
    preview_quality: int = Field(70, ge=1, le=100, json_schema_extra=LIVE)
    """JPEG quality of previews in percent."""
    publish_raw: bool = False
    """Also publish image_raw (rgb8), while somebody subscribes."""
    calibration: str = ""
    """A camera_info YAML file as camera_calibration writes it; empty: published without intrinsics."""
    depth: int = Field(200, ge=1, le=10000)
    """History depth of the video topic."""


class AudioSettings(DeviceSettings):
    """A microphone or a sound card."""

    driver: Literal["synthetic", "pulse", "pipewire", "alsa", "jack", "command"] = "synthetic"
    """Sound system."""
    device: str = ""
    """Its name for the source; empty: the system's default."""
    command: str = Field("", validate_default=True)
    """Recording program and arguments with {device}, {format}, {sample_rate}, {channels}, {block_ms}; empty: the driver's own.
    It writes interleaved samples to its standard output."""
    sample_rate: int = Field(48000, ge=8000, le=384000)
    """Samples per second."""
    channels: int = Field(2, ge=1, le=64)
    """Channels."""
    format: Literal["S16LE", "S24LE", "S32LE", "F32LE"] = "S16LE"
    """Sample format."""
    block_ms: float = Field(50.0, ge=1, le=1000)
    """Length of a published block."""
    tone_hz: float = Field(440.0, ge=0, le=20000)
    """Tone of the synthetic source; channel n plays (n + 1) times it."""
    depth: int = Field(200, ge=1, le=10000)
    """History depth of the audio topic."""

    @field_validator("command")
    @classmethod
    def _command_is_usable(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("driver") == "command" and not value.strip():
            raise ValueError("driver `command` needs the recording program and its arguments here")
        try:
            shlex.split(value)
            value.format(device="", format="", sample_rate=0, channels=0, block_ms=0, block_us=0, buffer_us=0)
        except (ValueError, LookupError) as error:
            allowed = "{device}, {format}, {sample_rate}, {channels}, {block_ms}, {block_us}, {buffer_us}"
            raise ValueError(f"can't be used as a command ({error}); placeholders are {allowed}") from error
        return value


class ImuSettings(DeviceSettings):
    """An inertial measurement unit."""

    driver: Literal["synthetic", "iio", "mpu6050"] = "synthetic"
    """Where samples come from: Linux IIO, an InvenSense MPU-6050 (also 6500, 9250) on I2C, or a made-up motion."""
    rate_hz: float = Field(200.0, gt=0, le=8000)
    """Samples per second."""
    iio_device: str = ""
    """Name (as in its `name` file) or folder of the IIO device; empty: the first with an accelerometer or gyroscope."""
    iio_mode: Literal["auto", "buffer", "poll"] = "auto"
    """Buffered through the character device, or polled through sysfs."""
    sysfs_root: str = "/sys"
    """Root of the sysfs tree."""
    dev_root: str = "/dev"
    """Root of the device tree."""
    i2c_bus: int = Field(1, ge=0, le=255)
    """I2C bus."""
    i2c_address: int = Field(0x68, ge=0x03, le=0x77)
    """I2C address."""
    accel_range_g: Literal[2, 4, 8, 16] = 4
    """Full scale of the accelerometer in units of standard gravity (mpu6050)."""
    gyro_range_dps: Literal[250, 500, 1000, 2000] = 500
    """Full scale of the gyroscope in degrees per second (mpu6050)."""
    accel_stddev: float = Field(0.02, ge=0)
    """Noise of one acceleration sample in m/s^2, for the covariance."""
    gyro_stddev: float = Field(0.001, ge=0)
    """Noise of one angular velocity sample in rad/s, for the covariance."""
    depth: int = Field(1000, ge=1, le=100000)
    """History depth of the data topic."""


class BatterySettings(DeviceSettings):
    """A battery."""

    required: bool = False
    driver: Literal["synthetic", "power_supply", "ina219"] = "synthetic"
    """Where readings come from."""
    rate_hz: float = Field(1.0, gt=0, le=100)
    """Readings per second."""
    supply: str = ""
    """Name below /sys/class/power_supply; empty: the first battery."""
    sysfs_root: str = "/sys"
    """Root of the sysfs tree."""
    i2c_bus: int = Field(1, ge=0, le=255)
    """I2C bus (ina219)."""
    i2c_address: int = Field(0x42, ge=0x03, le=0x77)
    """I2C address (ina219)."""
    shunt_ohm: float = Field(0.1, gt=0)
    """Shunt resistor (ina219)."""
    max_current_a: float = Field(3.2, gt=0)
    """Largest current expected (ina219)."""
    empty_v: float = Field(6.0, ge=0)
    """Voltage at which the charge counts as 0 (ina219)."""
    full_v: float = Field(8.4, gt=0, validate_default=True)
    """Voltage at which the charge counts as 100 % (ina219)."""

    @field_validator("full_v")
    @classmethod
    def _full_is_above_empty(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("empty_v", 0.0):
            raise ValueError(f"must lie above empty_v, which is {info.data['empty_v']:g} V")
        return value


class NetworkSettings(Settings):
    """The network monitor."""

    interval_s: float = Field(5.0, gt=0, le=3600)
    """Time between looks."""
    interface: str = ""
    """Look at this interface only; empty: all."""
    probe_host: str = ""
    """Host asked by a TCP connection to tell whether the outside is reached; empty: having a default route counts."""
    probe_port: int = Field(443, ge=1, le=65535)
    """Its port."""
    probe_timeout_s: float = Field(2.0, gt=0, le=60)
    """Longest wait for its answer."""
    sysfs_root: str = "/sys"
    """Root of the sysfs tree."""


class ClockSettings(Settings):
    """The clock probe."""

    reference: str = Field("", pattern=r"^(/[A-Za-z_][A-Za-z0-9_]*)*$")
    """Full name of the clock node of the reference host, such as /recorder_host/clock (it is asked on its service
    /recorder_host/clock_probe); empty: this host is the reference."""
    interval_s: float = Field(10.0, gt=0, le=3600)
    """Time between series of probes."""
    probes: int = Field(16, ge=1, le=1000)
    """Exchanges per series; the one with the least round trip counts."""
    timeout_s: float = Field(1.0, gt=0, le=60)
    """Longest wait for one answer."""


class IdentitySettings(Settings):
    """Who records."""

    rig: str = Field("rig", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the rig; the same on every machine of one rig."""
    site: str = ""
    """Where the rig is."""
    room: str = ""
    """Which room."""
    tags: tuple[str, ...] = ()
    """Words to find recordings by."""
    organisation: str = ""
    """For whom it records."""


class StorageSettings(Settings):
    """Where sessions lie on this machine."""

    storage_path: str = ""
    """Folder of the sessions; empty: `sessions` in the user's data folder."""
    storage_limit: Bytes = Field(0, ge=0)
    """Most bytes of all sessions together; 0: no limit."""
    storage_reserve: Bytes = Field(500_000_000, ge=0)
    """Free bytes that stay free on the file system; a recording does not start below it."""


class DeliverySettings(Settings):
    """Where sessions go."""

    store: str = ""
    """Object store: a folder, file:///folder or s3://bucket/prefix; empty: `store` in the user's data folder."""
    catalog: str = ""
    """Catalog: an SQLAlchemy URL without password, or a file's path for SQLite; empty: `catalog.db` in the data folder."""
    offline: bool = False
    """Nothing is uploaded; sessions wait on this machine."""
    upload_while_recording: bool = False
    """Uploads go on while a recording runs."""
    bandwidth_limit: Bytes = Field(0, ge=0)
    """Most bytes per second of all uploads together; 0: no limit."""
    concurrent_uploads: int = Field(5, ge=1, le=100)
    """Files uploaded at once."""
    threads: int = Field(4, ge=1, le=256)
    """Worker threads for hashing and copying."""
    wake_lock: bool = False
    """Keep the machine awake while uploading, where the system can."""
    endpoint_url: str = ""
    """End point of an S3 service other than AWS."""
    region: str = ""
    """Its region."""
    ca_bundle: str = ""
    """File of certificates to trust instead of the system's."""
    allow_http: bool = False
    """Plain HTTP beyond loopback."""
    credentials_file: str = ""
    """File (mode 600) with access_key_id, secret_access_key, session_token, catalog_password, as YAML."""


class RecorderSettings(Settings):
    """How sessions are written."""

    chunk_s: float = Field(60.0, gt=0, le=86400)
    """Length of one Matroska chunk and one bag file."""
    writer: Literal["foxglove", "rosbag2"] = "foxglove"
    """Bag writer: foxglove-sdk (MCAP), or rosbag2_py with its storage plug-ins where ROS provides it."""
    storage_id: str = "mcap"
    """Storage plug-in of the rosbag2 writer."""
    compression: Literal["", "zstd", "lz4"] = ""
    """Compression of bag chunks."""
    topics: tuple[str, ...] = ()
    """Topics to record beside the rig's own: by name, by pattern such as /robot/*/joint_states or re:/robot/(a|b)/.*, or by type
    as in type:sensor_msgs/msg/Imu. Patterns and types also take topics that appear while recording."""
    exclude: tuple[str, ...] = ()
    """What patterns and types leave out; written like `topics`."""
    images: Literal["bag", "video"] = "bag"
    """Image topics among `topics`: into the bag as they are, or as video (raw pictures encoded, JPEG and video packets copied)."""
    image_codec: Literal["h264", "hevc", "av1", "ffv1", "mjpeg"] = "h264"
    """Codec of raw pictures; 16 bit ones are always kept without loss, by ffv1."""
    image_quality: int = Field(23, ge=0, le=63)
    """Constant quality (CRF) of that codec; lower is better and larger."""
    image_preset: str = Field("veryfast", pattern=r"^[a-z]+$")
    """Speed preset of x264 and x265."""
    image_encoder: Literal["auto", "ffmpeg", "pyav"] = "auto"
    """What encodes raw pictures: the ffmpeg program where it is installed, else PyAV; the other takes over where one fails."""
    audio_codec: Literal["pcm", "flac", "opus"] = "pcm"
    """How sound is kept: as captured, by FLAC without loss (16 and 24 bit; other formats stay PCM), or by Opus."""
    audio_bitrate: int = Field(96_000, ge=6_000, le=512_000)
    """Bits per second and channel of Opus."""
    ready_timeout_s: float = Field(10.0, gt=0, le=600)
    """Longest wait at start for every required device to deliver."""
    health_check_s: float = Field(1.0, gt=0, le=60)
    """Time between looks at the streams of a recording."""
    silent_s: float = Field(5.0, gt=0, le=3600)
    """A required stream silent for so long is reported, where its device names no time-out of its own."""
    make_room: bool = True
    """Where room gets short, the oldest sessions that are proven to be in store and catalog are removed."""
    room_margin: Bytes = Field(500_000_000, ge=0)
    """Room gets short so many bytes above storage_reserve, or below storage_limit (there at most a quarter of it)."""
    queue_mb: int = Field(64, ge=1, le=65536)
    """Most megabytes waiting for one file's writer; what comes beyond is dropped, and counted."""
    depth: int = Field(200, ge=1, le=100000)
    """History depth of subscriptions."""
    merge: bool = False
    """After the stop make one recording.mkv of all streams, by stream copy, in the background."""
    keep_chunks: bool = True
    """Keep the chunks of video and audio beside recording.mkv; without, they are removed when that is proven whole."""
    merge_topics: tuple[str, ...] = ("*",)
    """Topics that become subtitle tracks of recording.mkv, a message as JSON each: names or patterns such as imu*; -: none."""
    lookback_s: float = Field(0.0, ge=0, le=3600)
    """Seconds kept in memory while nothing is recorded, to be saved by a trigger; 0: none. Cameras then encode all the time."""
    lookback_mb: int = Field(256, ge=1, le=65536)
    """Most megabytes of these seconds."""
    lookahead_s: float = Field(10.0, gt=0, le=86400)
    """How long recording goes on after a trigger."""
    trigger_topic: str = ""
    """A topic whose messages are triggers; empty: none."""
    trigger_type: str = "std_msgs/msg/Bool"
    """Its type. Of std_msgs/msg/Bool the change to true triggers, of std_msgs/msg/String the text is the label, of others each one."""
    trigger_health: Literal["", "warning", "error"] = ""
    """Health events of this severity or worse are triggers; empty: none."""


class UploaderSettings(Settings):
    """How the uploader works."""

    scan_interval_s: float = Field(30.0, gt=0, le=86400)
    """Time between looks at the disk, beside those that events cause."""
    retry_min_s: float = Field(2.0, gt=0, le=3600)
    """First wait after a failed session."""
    retry_max_s: float = Field(600.0, gt=0, le=86400)
    """Longest wait after a failed session."""


class RecorderParameters(IdentitySettings, StorageSettings, DeliverySettings, RecorderSettings):
    """All parameters of the recorder node."""

    streams: tuple[str, ...] = ()
    """The rig's own streams, each "KIND TOPIC TYPE required|optional [TIMEOUT_S]" with KIND video, audio or topic."""
    profile: str = "{}"
    """The effective profile as JSON, for the manifest."""


class UploaderParameters(StorageSettings, DeliverySettings, UploaderSettings):
    """All parameters of the uploader node."""
