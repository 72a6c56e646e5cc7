"""Sessions as a dataset of LeRobot, format v3.0 (lerobot 0.4 and newer): one episode per session."""
