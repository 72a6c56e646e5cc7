"""All families and codes of health events. A new one is one line here, and one in docs/health.md."""

from dataclasses import dataclass
from enum import StrEnum

from rig_capture.health.events import Severity

INFO, WARNING, ERROR = Severity


class Family(StrEnum):
    """What kind of thing an event is about."""

    RECORDER = "recorder"
    DEVICE = "device"
    AUDIO = "audio"
    CAMERA = "camera"
    IMU = "imu"
    BATTERY = "battery"
    NETWORK = "network"
    SYSTEM = "system"
    UPLOAD = "upload"
    ESTIMATE = "estimate"
    CLOCK = "clock"
    SETTINGS = "settings"
    HEALTH = "health"
    """The watch over health itself."""
    NODE = "node"


@dataclass(frozen=True)
class Code:
    """Something that can happen."""

    name: str
    family: Family
    severity: Severity
    meaning: str
    """In a few words, for tables and for a recovery that is told without words of its own."""
    lasts: bool = True
    """A problem with a recovery; otherwise an incident, which is over as soon as it is told."""


STREAM_SILENT = Code("stream_silent", Family.RECORDER, ERROR, "a required stream delivers nothing while it is recorded")
FILE_STALLED = Code("file_stalled", Family.RECORDER, ERROR, "a file of the recording does not grow while messages come")
RECORDING_FAILED = Code("recording_failed", Family.RECORDER, ERROR, "a recording came to harm", lasts=False)
HOST_LOST = Code("host_lost", Family.RECORDER, ERROR, "the recorder of another host is not heard while both record")
HOST_NOT_RECORDING = Code("host_not_recording", Family.RECORDER, ERROR, "another host does not record its part any more")
ENDED_LATE = Code("ended_late", Family.RECORDER, WARNING, "the recording was ended while this host was not reached", lasts=False)
DEVICE_LOST = Code("device_lost", Family.DEVICE, ERROR, "a device can't be opened, or was lost")
AUDIO_CLIPPING = Code("audio_clipping", Family.AUDIO, WARNING, "a channel is driven beyond its range")
AUDIO_FLATLINE = Code("audio_flatline", Family.AUDIO, ERROR, "a channel carries no signal at all")
AUDIO_LOW_SIGNAL = Code("audio_low_signal", Family.AUDIO, WARNING, "a channel is too quiet")
AUDIO_CORRELATED = Code("audio_correlated", Family.AUDIO, WARNING, "two channels carry the same sound")
AUDIO_OVERRUN = Code("audio_overrun", Family.AUDIO, WARNING, "samples were lost in the sound system", lasts=False)
AUDIO_WRONG_RATE = Code("audio_wrong_rate", Family.AUDIO, WARNING, "samples come at another rate than was asked for")
CAMERA_FRAMES_DROPPED = Code("camera_frames_dropped", Family.CAMERA, WARNING, "the encoder can't keep up, and frames are dropped")
IMU_SAMPLES_LOST = Code("imu_samples_lost", Family.IMU, WARNING, "samples of an IMU are lost")
BATTERY_LOW = Code("battery_low", Family.BATTERY, WARNING, "a battery is low")
BATTERY_EMPTY = Code("battery_empty", Family.BATTERY, ERROR, "a battery is nearly empty; the machine may go off")
NETWORK_LOST = Code("network_lost", Family.NETWORK, WARNING, "the network is not reached")
DISK_LOW = Code("disk_low", Family.SYSTEM, WARNING, "the disk of the sessions is nearly full")
DISK_FULL = Code("disk_full", Family.SYSTEM, ERROR, "the disk of the sessions is full")
CPU_PRESSURE = Code("cpu_pressure", Family.SYSTEM, WARNING, "the processor is busy")
LOAD_PRESSURE = Code("load_pressure", Family.SYSTEM, WARNING, "more work waits than the processor can do")
MEMORY_PRESSURE = Code("memory_pressure", Family.SYSTEM, WARNING, "memory runs short")
TOO_HOT = Code("too_hot", Family.SYSTEM, WARNING, "the processor is hot, and may be slowed down")
AUDIO_BACKEND_LOST = Code("audio_backend_lost", Family.SYSTEM, ERROR, "the sound system does not answer")
CLOCK_SKEW = Code("clock_skew", Family.CLOCK, ERROR, "this machine's clock is apart from the reference machine's")
CLOCK_UNSYNCHRONISED = Code("clock_unsynchronised", Family.CLOCK, WARNING, "this machine's clock is not kept right by NTP or PTP")
CLOCK_OFFSET = Code("clock_offset", Family.CLOCK, WARNING, "this machine's clock is apart from the time it is kept by")
UPLOAD_FAILING = Code("upload_failing", Family.UPLOAD, WARNING, "sessions can't be uploaded")
ESTIMATE_FAILING = Code("estimate_failing", Family.ESTIMATE, WARNING, "streams can't be estimated")
SETTINGS_REFUSED = Code("settings_refused", Family.SETTINGS, WARNING, "settings that were asked for were refused", lasts=False)
SETTINGS_APPLIED = Code("settings_applied", Family.SETTINGS, INFO, "settings were changed", lasts=False)
NODE_LOST = Code("node_lost", Family.NODE, ERROR, "a node of the rig is not heard")
NODE_RESTARTED = Code("node_restarted", Family.NODE, WARNING, "a node was started again", lasts=False)
LOG_LOST_EVENTS = Code("log_lost_events", Family.HEALTH, WARNING, "events are missing from the log", lasts=False)

CODES: dict[str, Code] = {code.name: code for code in list(globals().values()) if isinstance(code, Code)}
"""By name."""


def lasts(name: str) -> bool:
    """Whether a code stands for a problem with a recovery; one that is not known here counts as one."""
    code = CODES.get(name)
    return code is None or code.lasts
