"""The rig's own health: which problems there are, when each begins and ends, and the log of it. Knows no topic and no ROS."""
