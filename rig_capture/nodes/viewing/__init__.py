"""Live views of the rig: topics and services as Foxglove takes them."""
