"""The ROS edge: one file per node, thin. Nothing outside this room imports rclpy."""
