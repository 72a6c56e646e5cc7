"""The last seconds in memory, so that an event can be saved after it happened."""
