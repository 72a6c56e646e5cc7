"""The operator's command `rig`."""
