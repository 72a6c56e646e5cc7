"""The one list of nodes: which processes a profile asks for, and what each is told.

The launch file and `rig up` both start this list; nothing else knows how to start a node.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.hosts import PER_HOST, SENSORS, host_namespace, lead_of, part_of, records
from rig_capture.profiles.profile import FIXED_NODES, Profile
from rig_capture.profiles.settings.base import Settings
from rig_capture.profiles.settings.console import ConsoleParameters
from rig_capture.profiles.settings.devices import CameraSettings, DeviceSettings
from rig_capture.profiles.settings.estimation import EstimatorParameters
from rig_capture.profiles.settings.mount import OPTICAL_SUFFIX
from rig_capture.profiles.settings.recorder import RecorderParameters
from rig_capture.profiles.settings.status import StatusParameters
from rig_capture.profiles.settings.uploader import UploaderParameters

S = TypeVar("S", bound=Settings)
ParameterValue = bool | int | float | str | list[str]


@dataclass(frozen=True)
class NodeDescription:
    """One ROS node: its executable, its name, and its parameters."""

    executable: str
    name: str
    namespace: str
    parameters: Mapping[str, ParameterValue]
    remappings: Mapping[str, str] = field(default_factory=dict)
    """From names as the node knows them to absolute ones, where it is not in the rig's namespace."""

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
        if self.executable == "group" and not any(node.remappings for node in self.nodes):
            return _rules(self.nodes[0])  # all in the rig's namespace
        if self.executable == "group":
            return [word for node in self.nodes for word in _rules(node, f"{node.name}:")]
        return ["-r", f"__node:={self.name}", *_rules(self.nodes[0])]

    @property
    def parameter_file(self) -> dict[str, dict[str, dict[str, ParameterValue]]]:
        """Contents of the ROS 2 parameter file for this process."""
        return {node.full_name: {"ros__parameters": dict(node.parameters)} for node in self.nodes}


def describe_nodes(profile: Profile) -> list[NodeDescription]:
    """All nodes of a profile, sensors first; those of one host where the profile says which (`at_host`), else of all hosts."""
    if not profile.hosts:
        return list(_describe(profile, profile))
    hosts = [profile.host] if profile.host else list(profile.hosts)
    return [node for host in hosts for node in _describe(part_of(profile, host), profile)]


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
    names = [node.name for node in describe_nodes(profile)]
    unknown = sorted({*only, *without} - set(names))
    if unknown:
        raise ProfileError(f"no such node in this profile: {', '.join(unknown)}; there are: {', '.join(names)}")
    out = (set(names) - set(only) if only else set()) | set(without)
    changes: dict[str, object] = {name: None for name in FIXED_NODES if name in out}
    for section in SENSORS:
        changes[section] = {name: settings for name, settings in getattr(profile, section).items() if name not in out}
    changes["share_process"] = tuple(name for name in profile.share_process if name not in out)
    return profile.model_copy(update=changes)


def parameters_of(settings: Settings) -> dict[str, ParameterValue]:
    """Settings as ROS parameters. Empty lists are left out: a parameter file can't tell their type."""
    values = settings.model_dump()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if value != ()}


def recorded_streams(profile: Profile) -> list[str]:
    """What the recorder records of this rig, as its parameter ``streams`` writes it (`RecorderParameters`)."""
    return list(_streams(profile, profile))


def _rules(node: NodeDescription, prefix: str = "") -> list[str]:
    """Remapping rules of the command line; `prefix` makes them one node's of several."""
    rules = ({"__ns": node.namespace} if node.namespace != "/" else {}) | dict(node.remappings)
    return [word for name, to in rules.items() for word in ("-r", f"{prefix}{name}:={to}")]


def _describe(part: Profile, rig: Profile) -> Iterator[NodeDescription]:
    """The nodes of one machine, `part`, of a rig."""
    common, own = host_namespace(rig, ""), host_namespace(rig, part.host)
    for executable, name, settings in _nodes(part, rig):
        namespace = own if name in PER_HOST else common
        apart = _remappings(part, name, common) if namespace != common else {}
        yield NodeDescription(executable, name, namespace, parameters_of(_framed(settings, name, rig.frame_prefix)), apart)


def _framed(settings: Settings, name: str, prefix: str) -> Settings:
    """Settings of a device with the prefix of the rig's frames before its own."""
    if not (prefix and isinstance(settings, DeviceSettings)):
        return settings
    frame = settings.frame_id or f"{name}{OPTICAL_SUFFIX if isinstance(settings, CameraSettings) else ''}"
    parent = settings.mount_parent and f"{prefix}{settings.mount_parent}"
    return settings.model_copy(update={"frame_id": f"{prefix}{frame}", "mount_parent": parent})


def _remappings(part: Profile, name: str, common: str) -> dict[str, str]:
    """What a host's own node calls by another name than the rig: health events of all meet on one topic, and sensors are the rig's."""
    topics = ["health"]
    if name == "recorder":
        topics += [stream.split()[1] for stream in _sensor_streams(part)]
    if name == "status":
        topics += list(part.batteries)[:1]
    return {topic: f"{common.rstrip('/')}/{topic}" for topic in topics}


def _nodes(profile: Profile, rig: Profile) -> Iterator[tuple[str, str, Settings]]:
    sections: list[tuple[str, Mapping[str, Settings]]] = [
        ("camera", profile.cameras),
        ("audio", profile.microphones),
        ("imu", profile.imus),
        ("battery", profile.batteries),
    ]
    for executable, section in sections:
        for name, settings in section.items():
            yield executable, name, settings
    for name in ("network", "clock", "wifi", "buttons", "foxglove"):
        settings = getattr(profile, name)
        if settings is not None:
            yield name, name, settings
    if profile.recorder is not None:
        yield "recorder", "recorder", _recorder_parameters(profile, rig)
    if profile.uploader is not None:
        yield "uploader", "uploader", _pick(UploaderParameters, profile, profile.uploader)
    if profile.estimator is not None:
        yield "estimator", "estimator", _pick(EstimatorParameters, profile, profile.estimator)
    if profile.console is not None:
        yield "console", "console", _console_parameters(profile, rig)
    if profile.status is not None:
        yield "status", "status", _status_parameters(profile, rig)


def _recorder_parameters(profile: Profile, rig: Profile) -> RecorderParameters:
    assert profile.recorder is not None
    chosen = _pick(RecorderParameters, profile, profile.recorder)
    whole = rig.model_copy(update={"host": profile.host})
    values: dict[str, object] = {"streams": tuple(_streams(profile, rig)), "profile": whole.model_dump_json(exclude_defaults=True)}
    lead = lead_of(rig)
    if rig.hosts and profile.host != lead:
        values |= {"leader": f"{host_namespace(rig, lead).rstrip('/')}/recorder", "topics": ()}
    elif rig.hosts:
        values["followers"] = tuple(_follower(rig, host) for host in rig.hosts if host != lead and records(rig, host))
    return chosen.model_copy(update=values)


def _follower(rig: Profile, host: str) -> str:
    return f"{host} {host_namespace(rig, host)}/recorder {'required' if rig.hosts[host].required else 'optional'}"


def _console_parameters(profile: Profile, rig: Profile) -> ConsoleParameters:
    """It shows the devices of the whole rig, and the sessions of its own machine."""
    assert profile.console is not None
    shown = rig.model_copy(update={"host": profile.host, "storage_path": profile.storage_path})
    return ConsoleParameters.model_validate(profile.console.model_dump() | {"profile": shown.model_dump_json(exclude_defaults=True)})


def _status_parameters(profile: Profile, rig: Profile) -> StatusParameters:
    assert profile.status is not None
    chosen = _pick(StatusParameters, profile, profile.status)
    watched = [profile]
    if rig.hosts and profile.host == lead_of(rig):
        watched += [part_of(rig, host) for host in rig.hosts if host != profile.host]
    full_names = [_full_name(part, rig, name) for part in watched for name in _names(part)]
    names = tuple(name for name in full_names if name != _full_name(profile, rig, "status"))
    return chosen.model_copy(update=profile.health.model_dump() | {"nodes": names, "battery": next(iter(profile.batteries), "")})


def _names(part: Profile) -> list[str]:
    sensors = [name for section in SENSORS for name in getattr(part, section)]
    return sensors + [name for name in FIXED_NODES if getattr(part, name) is not None]


def _full_name(part: Profile, rig: Profile, name: str) -> str:
    return f"{host_namespace(rig, part.host if name in PER_HOST else '').rstrip('/')}/{name}"


def _pick(model: type[S], profile: Profile, own: Settings) -> S:
    """A node's parameters from the profile's common settings and the node's own."""
    common = {key: getattr(profile, key) for key in model.model_fields if hasattr(profile, key) and key not in ("profile", "streams")}
    return model.model_validate(common | own.model_dump())


def _streams(profile: Profile, rig: Profile) -> Iterator[str]:
    """What the recorder of one machine, `profile`, of a rig records."""
    records_all = bool(rig.hosts) and rig.record == "central"
    yield from _sensor_streams(rig if records_all else profile)
    others = [f"{host}/" for host in rig.hosts if host != lead_of(rig)] if records_all else []
    for host in ("", *others):
        if profile.network is not None:
            yield _stream("topic", f"{host}network", "rig_capture_msgs/msg/NetworkStatus")
        if profile.clock is not None:
            yield _stream("topic", f"{host}clock_status", "rig_capture_msgs/msg/ClockStatus")
    if any(device.mount_parent for section in SENSORS for device in getattr(rig if records_all else profile, section).values()):
        yield _stream("topic", "/tf_static", "tf2_msgs/msg/TFMessage")
    yield _stream("topic", "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    yield _stream("topic", "health", "rig_capture_msgs/msg/HealthEvent")


def _stream(kind: str, topic: str, type_name: str, device: DeviceSettings | None = None) -> str:
    required = device is not None and device.required
    return f"{kind} {topic} {type_name} " + (f"required {device.timeout_s:g}" if device is not None and required else "optional")


def _sensor_streams(profile: Profile) -> Iterator[str]:
    """Streams in the rig's own namespace."""
    for name, camera in profile.cameras.items():
        yield _stream("video", f"{name}/video", "rig_capture_msgs/msg/VideoPacket", camera)
        yield _stream("topic", f"{name}/camera_info", "sensor_msgs/msg/CameraInfo")
    for name, microphone in profile.microphones.items():
        yield _stream("audio", f"{name}/audio", "rig_capture_msgs/msg/AudioChunk", microphone)
        if microphone.level_rate_hz > 0:
            yield _stream("topic", f"{name}/level", "rig_capture_msgs/msg/AudioLevel")
    for name, imu in profile.imus.items():
        yield _stream("topic", f"{name}/data_raw", "sensor_msgs/msg/Imu", imu)
        yield _stream("topic", f"{name}/temperature", "sensor_msgs/msg/Temperature")
    for name, battery in profile.batteries.items():
        yield _stream("topic", name, "sensor_msgs/msg/BatteryState", battery)
    if profile.buttons is not None:
        yield _stream("topic", "button_event", "rig_capture_msgs/msg/ButtonEvent")
