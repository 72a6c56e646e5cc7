"""The rig in a browser: an HTTP server with live data, control, sessions and jobs. It knows no ROS: the node feeds it."""
