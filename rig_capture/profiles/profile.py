"""A profile: everything that makes one rig."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from rig_capture.profiles.hosts import check_hosts
from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.profiles.settings.console import ConsoleSettings
from rig_capture.profiles.settings.devices import BatterySettings, CameraSettings, ImuSettings
from rig_capture.profiles.settings.estimation import EstimatorSettings
from rig_capture.profiles.settings.field import ButtonsSettings, WifiSettings
from rig_capture.profiles.settings.foxglove import FoxgloveSettings
from rig_capture.profiles.settings.health import HealthSettings
from rig_capture.profiles.settings.hosts import DdsSettings, HostSettings
from rig_capture.profiles.settings.machine import ClockSettings, NetworkSettings
from rig_capture.profiles.settings.recorder import RecorderSettings
from rig_capture.profiles.settings.rig import DeliverySettings, IdentitySettings, StorageSettings
from rig_capture.profiles.settings.status import StatusSettings
from rig_capture.profiles.settings.uploader import UploaderSettings


def _node_name(name: str) -> str:
    # The rules of ROS 2 names: https://design.ros2.org/articles/topic_and_service_names.html
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is no ROS node name: letters, digits and underscores, a letter first")
    return name


def _without_null(section: object) -> object:
    return {name: settings for name, settings in section.items() if settings is not None} if isinstance(section, dict) else section


NodeName = Annotated[str, AfterValidator(_node_name)]
LeaveOutNull = BeforeValidator(_without_null)
"""Lets a profile that extends another leave one of its sensors out by setting it to null."""

FIXED_NODES = ("network", "clock", "recorder", "uploader", "estimator", "status", "buttons", "wifi", "console", "foxglove")
"""Nodes of which a rig has at most one; their names are fixed."""


class Profile(IdentitySettings, StorageSettings, DeliverySettings, DdsSettings):
    """Everything that makes one rig. Sensor sections map node names to settings; null leaves a node out."""

    description: str = ""
    """One line for people."""
    namespace: str = Field("", pattern=r"^(/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*)?$")
    """ROS namespace of all nodes; empty: the root."""
    frame_prefix: str = Field("", pattern=r"^([A-Za-z][A-Za-z0-9_-]*/)*$")
    """Put before the names of all frames, such as rig1/, so that several rigs may share /tf_static; empty: nothing."""
    hosts: Annotated[dict[NodeName, HostSettings], LeaveOutNull] = Field(default_factory=dict)
    """The machines of the rig, and what runs on each; none: all on one."""
    record: Literal["central", "each"] = "central"
    """Where hosts are given: the lead records all sensors, or each host records its own, all under one recording id."""
    lead: str = ""
    """The host that records, or starts and stops the recorders of all; its clock is the reference. Empty: the first."""
    host: str = ""
    """Which of the hosts this machine is; empty: told by its name (or --host, or $RIG_CAPTURE_HOST)."""
    cameras: Annotated[dict[NodeName, CameraSettings], LeaveOutNull] = Field(default_factory=dict)
    """Cameras by node name."""
    microphones: Annotated[dict[NodeName, AudioSettings], LeaveOutNull] = Field(default_factory=dict)
    """Sound sources by node name."""
    imus: Annotated[dict[NodeName, ImuSettings], LeaveOutNull] = Field(default_factory=dict)
    """IMUs by node name."""
    batteries: Annotated[dict[NodeName, BatterySettings], LeaveOutNull] = Field(default_factory=dict)
    """Batteries by node name; the one called `battery` publishes on `battery`."""
    network: NetworkSettings | None = NetworkSettings()
    """The network monitor; null: none."""
    clock: ClockSettings | None = ClockSettings()
    """The clock probe; null: none."""
    recorder: RecorderSettings | None = RecorderSettings()
    """The recorder; null: none on this machine."""
    uploader: UploaderSettings | None = UploaderSettings()
    """The uploader; null: none on this machine."""
    estimator: EstimatorSettings | None = None
    """What estimates poses from finished sessions; null: none on this machine."""
    status: StatusSettings | None = StatusSettings()
    """The node that sums up this machine, and watches over its health; null: none."""
    console: ConsoleSettings | None = ConsoleSettings()
    """The web console; null: none."""
    foxglove: FoxgloveSettings | None = None
    """A live connection for Foxglove; null: none."""
    health: HealthSettings = HealthSettings()
    """What counts as a problem of this machine, and how health events are logged; parameters of the status node."""
    buttons: ButtonsSettings | None = None
    """A button with lamp and buzzer; null: none."""
    wifi: WifiSettings | None = None
    """Wi-Fi set-up through NetworkManager; null: none."""
    share_process: tuple[str, ...] = ()
    """Small nodes that share one process."""

    @field_validator("catalog", "store", "endpoint_url")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if "://" in value and urlsplit(value).password:
            raise ValueError("holds a password; put it into credentials_file or the environment (RIG_CAPTURE_CATALOG_PASSWORD)")
        return value

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Profile":
        names = [*self.cameras, *self.microphones, *self.imus, *self.batteries, *FIXED_NODES]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"node names must be unique, and these are used twice or reserved: {', '.join(twice)}")
        unknown = sorted(set(self.share_process) - set(names))
        if unknown:
            raise ValueError(f"share_process names no node of this profile: {', '.join(unknown)} (nodes: {', '.join(names)})")
        heavy = sorted(
            set(self.share_process) & {*self.cameras, *self.microphones, "recorder", "uploader", "estimator", "console", "foxglove"}
        )
        if heavy:
            raise ValueError(f"share_process is for small nodes; these need a process of their own: {', '.join(heavy)}")
        sensors = names[: -len(FIXED_NODES)]
        fixed = [name for name in FIXED_NODES if getattr(self, name) is not None]
        check_hosts(self.hosts, lead=self.lead, host=self.host, sensors=sensors, fixed=fixed)
        return self
