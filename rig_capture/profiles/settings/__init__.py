"""The settings of each kind of node.

Every model here is flat: a field is a ROS parameter of the node of the same name, with the field's description, range and
default (`nodes/common/parameters.py`). A field with ``live=True`` may be changed while the node runs; all others are read-only.
Numbers are in SI units unless the name says otherwise. Empty text or zero means "not set", since ROS parameters have no null.
"""

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.profiles.settings.base import LIVE, Settings
from rig_capture.profiles.settings.console import ConsoleParameters, ConsoleSettings
from rig_capture.profiles.settings.devices import BatterySettings, CameraSettings, DeviceSettings, ImuSettings
from rig_capture.profiles.settings.estimation import EstimateJobSettings, EstimatorParameters, EstimatorSettings
from rig_capture.profiles.settings.field import ButtonsSettings, WifiSettings
from rig_capture.profiles.settings.foxglove import FoxgloveSettings
from rig_capture.profiles.settings.health import HealthSettings
from rig_capture.profiles.settings.hosts import DdsSettings, HostSettings
from rig_capture.profiles.settings.machine import ClockSettings, NetworkSettings
from rig_capture.profiles.settings.player import PlayerSettings
from rig_capture.profiles.settings.recorder import RecorderParameters, RecorderSettings
from rig_capture.profiles.settings.rig import DeliverySettings, IdentitySettings, StorageSettings
from rig_capture.profiles.settings.status import StatusParameters, StatusSettings
from rig_capture.profiles.settings.uploader import UploaderParameters, UploaderSettings

__all__ = [
    "LIVE",
    "AudioSettings",
    "BatterySettings",
    "ButtonsSettings",
    "CameraSettings",
    "ClockSettings",
    "ConsoleParameters",
    "ConsoleSettings",
    "DdsSettings",
    "DeliverySettings",
    "DeviceSettings",
    "EstimateJobSettings",
    "EstimatorParameters",
    "EstimatorSettings",
    "FoxgloveSettings",
    "HealthSettings",
    "HostSettings",
    "IdentitySettings",
    "ImuSettings",
    "NetworkSettings",
    "PlayerSettings",
    "RecorderParameters",
    "RecorderSettings",
    "Settings",
    "StatusParameters",
    "StatusSettings",
    "StorageSettings",
    "UploaderParameters",
    "UploaderSettings",
    "WifiSettings",
]
