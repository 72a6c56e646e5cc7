"""Models that look at pictures, each behind the same interface, found by the entry points of the group `rig_capture.models`."""
