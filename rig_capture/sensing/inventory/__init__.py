"""What hardware a machine has: every kind asked for by itself, so that one that fails spoils no other."""

from rig_capture.sensing.inventory.inventory import Inventory, take_inventory
from rig_capture.sensing.inventory.places import Places

__all__ = ["Inventory", "Places", "take_inventory"]
