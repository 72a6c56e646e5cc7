"""Live views of the rig: what the console's node takes from topics and asks of services, and both as Foxglove takes them."""
