"""The status node's parts: the whole rig seen from one place."""
