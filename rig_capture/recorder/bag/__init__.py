"""The rosbag2 bag of a session: its writers, and a walk over what they wrote."""
