"""What tests of the recorder share: its streams, and how it is started and asked."""

from collections.abc import Callable
from typing import Any

from test.integration.nodes import NodeProcess

VIDEO = "video camera/video rig_capture_msgs/msg/VideoPacket required"
AUDIO = "audio audio/audio rig_capture_msgs/msg/AudioChunk required"
IMU = "topic imu/data_raw sensor_msgs/msg/Imu required"

Start = Callable[..., NodeProcess]
Call = Callable[..., Any]
