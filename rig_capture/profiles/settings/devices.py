"""Settings of sensors."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from rig_capture.profiles.settings.base import LIVE, are_assignments
from rig_capture.profiles.settings.mount import MountSettings


class DeviceSettings(MountSettings):
    """What every sensor node has."""

    required: bool = True
    """A recording is refused while this device delivers nothing."""
    enabled: bool = Field(True, json_schema_extra=LIVE)
    """False: the node lets go of the device, so that another program may have it, until this is true again."""
    frame_id: str = ""
    """Frame of the header (REP 105); empty: made from the node's name."""
    retry_min_s: float = Field(0.5, gt=0, le=60, json_schema_extra=LIVE)
    """First wait before a lost device is tried again."""
    retry_max_s: float = Field(10.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Longest wait before a lost device is tried again."""
    timeout_s: float = Field(5.0, gt=0, le=3600, json_schema_extra=LIVE)
    """A device that delivers nothing for so long counts as lost."""
    loss_over_s: float = Field(10.0, ge=0, le=3600, json_schema_extra=LIVE)
    """Losing samples is over once none were lost for so long."""
    plugin: str = Field("", max_length=100)
    """The driver of another package that is installed, by its name in the entry points `rig_capture.drivers`; with `driver: plugin`."""
    plugin_settings: tuple[str, ...] = ()
    """What that driver is told, each KEY=VALUE."""

    _are_assignments = field_validator("plugin_settings")(are_assignments)

    @model_validator(mode="after")
    def _plugin_is_named(self) -> Self:
        if getattr(self, "driver", "") == "plugin" and not self.plugin:
            raise ValueError("driver `plugin` needs the driver's name under `plugin`")
        return self

    @property
    def plugin_values(self) -> Mapping[str, str]:
        """`plugin_settings` by key."""
        return {key: value for key, _, value in (each.partition("=") for each in self.plugin_settings)}


class CameraSettings(DeviceSettings):
    """A camera."""

    driver: Literal["synthetic", "file", "rtsp", "lavfi", "v4l2", "plugin"] = "synthetic"
    """Where frames come from."""
    source: str = ""
    """A file's path, an RTSP address, a lavfi graph or a V4L2 device such as /dev/video0."""
    width: int = Field(1280, ge=0, le=16384)
    """Width of the encoded picture in pixels; 0: as the source delivers."""
    height: int = Field(720, ge=0, le=16384)
    """Height of the encoded picture in pixels; 0: as the source delivers."""
    fps: float = Field(30.0, ge=0, le=1000)
    """Frames per second asked of the source; 0: as it delivers."""
    pattern: Literal["scene", "flash_beep"] = "scene"
    """What the synthetic camera sees: a moving scene, or a light that flashes when the synthetic sound beeps (`rig sync-test`)."""
    pattern_s: float = Field(0.954, ge=0.5, le=60)
    """Time between two flashes. No multiple of the time between frames, so that they come at all phases of these."""
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
    bitrate: int = Field(0, ge=0, json_schema_extra=LIVE)
    """Bits per second instead of constant quality; 0: constant quality."""
    preset: str = Field("ultrafast", json_schema_extra=LIVE)
    """Speed preset of x264 and x265; ignored by others."""
    keyframe_interval_s: float = Field(1.0, gt=0, le=60, json_schema_extra=LIVE)
    """Time between keyframes."""
    encoder_threads: int = Field(1, ge=0, le=64, json_schema_extra=LIVE)
    """Threads of the encoder; 0: its own choice."""
    preview_fps: float = Field(5.0, ge=0, le=60, json_schema_extra=LIVE)
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


class ImuSettings(DeviceSettings):
    """An inertial measurement unit."""

    driver: Literal["synthetic", "iio", "mpu6050", "plugin"] = "synthetic"
    """Where samples come from: Linux IIO, an InvenSense MPU-6050 (also 6500, 9250) on I2C, another package, or a made-up motion."""
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
    accel_stddev: float = Field(0.02, ge=0, json_schema_extra=LIVE)
    """Noise of one acceleration sample in m/s^2, for the covariance."""
    gyro_stddev: float = Field(0.001, ge=0, json_schema_extra=LIVE)
    """Noise of one angular velocity sample in rad/s, for the covariance."""
    depth: int = Field(1000, ge=1, le=100000)
    """History depth of the data topic."""


class BatterySettings(DeviceSettings):
    """A battery."""

    required: bool = False
    """A recording is refused while this device delivers nothing."""
    retry_max_s: float = Field(30.0, gt=0, le=3600, json_schema_extra=LIVE)
    """Longest wait before a lost device is tried again."""
    low_percent: float = Field(20.0, ge=0, le=100)
    """At this state of charge, or below, while not charging, the battery is low: a warning."""
    empty_percent: float = Field(5.0, ge=0, le=100, validate_default=True)
    """At this one the machine may go off at any moment: an error. Not above low_percent."""
    recovered_percent: float = Field(5.0, ge=0, le=100)
    """So far above these limits the charge must be, in percent of the whole, for the problem to be over; or the battery charges."""
    problem_hold_s: float = Field(5.0, ge=0, le=3600)
    """So long the charge must be that low to count, since a voltage dips under load."""
    driver: Literal["synthetic", "power_supply", "ina219", "plugin"] = "synthetic"
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

    @field_validator("empty_percent")
    @classmethod
    def _empty_is_below_low(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("low_percent", 100.0):
            raise ValueError(f"must not lie above low_percent, which is {info.data['low_percent']:g}")
        return value

    @field_validator("full_v")
    @classmethod
    def _full_is_above_empty(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("empty_v", 0.0):
            raise ValueError(f"must lie above empty_v, which is {info.data['empty_v']:g} V")
        return value
