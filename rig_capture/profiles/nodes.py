"""The one list of nodes: which processes a profile asks for, and what each is told.

The launch file and `rig up` both start this list; nothing else knows how to start a node.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.profile import FIXED_NODES, Profile
from rig_capture.profiles.settings import (
    DeviceSettings,
    EstimatorParameters,
    RecorderParameters,
    Settings,
    StatusParameters,
    UploaderParameters,
)

S = TypeVar("S", bound=Settings)
ParameterValue = bool | int | float | str | list[str]


@dataclass(frozen=True)
class NodeDescription:
    """One ROS node: its executable, its name, and its parameters."""

    executable: str
    name: str
    namespace: str
    parameters: Mapping[str, ParameterValue]

    @property
    def full_name(self) -> str:
        """Fully qualified node name, such as ``/rig1/camera_front``."""
        return f"{self.namespace.rstrip('/')}/{self.name}"


@dataclass(frozen=True)
class ProcessDescription:
    """One process with one node, or several small ones under the executable ``group``."""

    name: str
    executable: str
    nodes: tuple[NodeDescription, ...]

    @property
    def arguments(self) -> list[str]:
        """Arguments before ``--ros-args``: which nodes a group holds, as ``executable:name``."""
        return [f"{node.executable}:{node.name}" for node in self.nodes] if self.executable == "group" else []

    @property
    def ros_arguments(self) -> list[str]:
        """Arguments after ``--ros-args``, without the parameter file."""
        namespace = self.nodes[0].namespace
        remap = [] if self.executable == "group" else ["-r", f"__node:={self.name}"]
        return remap + (["-r", f"__ns:={namespace}"] if namespace != "/" else [])

    @property
    def parameter_file(self) -> dict[str, dict[str, dict[str, ParameterValue]]]:
        """Contents of the ROS 2 parameter file for this process."""
        return {node.full_name: {"ros__parameters": dict(node.parameters)} for node in self.nodes}


def describe_nodes(profile: Profile) -> list[NodeDescription]:
    """All nodes of a profile, sensors first."""
    namespace = "/" + profile.namespace.strip("/")
    return [NodeDescription(executable, name, namespace, parameters_of(settings)) for executable, name, settings in _nodes(profile)]


def describe_processes(profile: Profile) -> list[ProcessDescription]:
    """All processes of a profile; nodes named in ``share_process`` share one."""
    nodes = describe_nodes(profile)
    shared = tuple(node for node in nodes if node.name in profile.share_process)
    processes = [ProcessDescription(node.name, node.executable, (node,)) for node in nodes if node not in shared]
    return processes + ([ProcessDescription("group", "group", shared)] if shared else [])


def only_nodes(profile: Profile, only: Collection[str] = (), without: Collection[str] = ()) -> Profile:
    """A profile with some of its nodes left out; the recorder then does not wait for them.

    Args:
        profile: of all nodes.
        only: names of those that stay; empty: all.
        without: names of those that are left out.

    Raises:
        ProfileError: a name that no node has.
    """
    names = [name for _, name, _ in _nodes(profile)]
    unknown = sorted({*only, *without} - set(names))
    if unknown:
        raise ProfileError(f"no such node in this profile: {', '.join(unknown)}; there are: {', '.join(names)}")
    out = (set(names) - set(only) if only else set()) | set(without)
    changes: dict[str, object] = {name: None for name in FIXED_NODES if name in out}
    for section in ("cameras", "microphones", "imus", "batteries"):
        changes[section] = {name: settings for name, settings in getattr(profile, section).items() if name not in out}
    changes["share_process"] = tuple(name for name in profile.share_process if name not in out)
    return profile.model_copy(update=changes)


def parameters_of(settings: Settings) -> dict[str, ParameterValue]:
    """Settings as ROS parameters. Empty lists are left out: a parameter file can't tell their type."""
    values = settings.model_dump()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if value != ()}


def recorded_streams(profile: Profile) -> list[str]:
    """What the recorder records of this rig, as its parameter ``streams`` writes it (`RecorderParameters`)."""
    return list(_streams(profile))


def _nodes(profile: Profile) -> Iterator[tuple[str, str, Settings]]:
    sections: list[tuple[str, Mapping[str, Settings]]] = [
        ("camera", profile.cameras),
        ("audio", profile.microphones),
        ("imu", profile.imus),
        ("battery", profile.batteries),
    ]
    for executable, section in sections:
        for name, settings in section.items():
            yield executable, name, settings
    if profile.network is not None:
        yield "network", "network", profile.network
    if profile.clock is not None:
        yield "clock", "clock", profile.clock
    if profile.wifi is not None:
        yield "wifi", "wifi", profile.wifi
    if profile.buttons is not None:
        yield "buttons", "buttons", profile.buttons
    if profile.recorder is not None:
        yield "recorder", "recorder", _recorder_parameters(profile)
    if profile.uploader is not None:
        yield "uploader", "uploader", _pick(UploaderParameters, profile, profile.uploader)
    if profile.estimator is not None:
        yield "estimator", "estimator", _pick(EstimatorParameters, profile, profile.estimator)
    if profile.status is not None:
        yield "status", "status", _status_parameters(profile)


def _recorder_parameters(profile: Profile) -> RecorderParameters:
    assert profile.recorder is not None
    chosen = _pick(RecorderParameters, profile, profile.recorder)
    return chosen.model_copy(update={"streams": tuple(_streams(profile)), "profile": profile.model_dump_json(exclude_defaults=True)})


def _status_parameters(profile: Profile) -> StatusParameters:
    assert profile.status is not None
    chosen = _pick(StatusParameters, profile, profile.status)
    namespace = "/" + profile.namespace.strip("/")
    others = _nodes(profile.model_copy(update={"status": None}))
    names = tuple(f"{namespace.rstrip('/')}/{name}" for _, name, _ in others)
    return chosen.model_copy(update=profile.health.model_dump() | {"nodes": names, "battery": next(iter(profile.batteries), "")})


def _pick(model: type[S], profile: Profile, own: Settings) -> S:
    """A node's parameters from the profile's common settings and the node's own."""
    common = {key: getattr(profile, key) for key in model.model_fields if hasattr(profile, key) and key not in ("profile", "streams")}
    return model.model_validate(common | own.model_dump())


def _streams(profile: Profile) -> Iterator[str]:
    def stream(kind: str, topic: str, type_name: str, device: DeviceSettings | None = None) -> str:
        required = device is not None and device.required
        return f"{kind} {topic} {type_name} " + (f"required {device.timeout_s:g}" if device is not None and required else "optional")

    for name, camera in profile.cameras.items():
        yield stream("video", f"{name}/video", "rig_capture_msgs/msg/VideoPacket", camera)
        yield stream("topic", f"{name}/camera_info", "sensor_msgs/msg/CameraInfo")
    for name, microphone in profile.microphones.items():
        yield stream("audio", f"{name}/audio", "rig_capture_msgs/msg/AudioChunk", microphone)
        if microphone.level_rate_hz > 0:
            yield stream("topic", f"{name}/level", "rig_capture_msgs/msg/AudioLevel")
    for name, imu in profile.imus.items():
        yield stream("topic", f"{name}/data_raw", "sensor_msgs/msg/Imu", imu)
        yield stream("topic", f"{name}/temperature", "sensor_msgs/msg/Temperature")
    for name, battery in profile.batteries.items():
        yield stream("topic", name, "sensor_msgs/msg/BatteryState", battery)
    if profile.network is not None:
        yield stream("topic", "network", "rig_capture_msgs/msg/NetworkStatus")
    if profile.clock is not None:
        yield stream("topic", "clock_status", "rig_capture_msgs/msg/ClockStatus")
    if profile.buttons is not None:
        yield stream("topic", "button_event", "rig_capture_msgs/msg/ButtonEvent")
    yield stream("topic", "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    yield stream("topic", "health", "rig_capture_msgs/msg/HealthEvent")
