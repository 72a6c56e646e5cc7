"""Drivers: camera, audio, imu, battery, network, clock. They yield stamped samples and know no topic; no ROS inside."""
