"""A rig that runs as a service: its folder, its process manager (supervisor), its logs. No ROS in here."""
