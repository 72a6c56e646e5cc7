"""The console node's parts: what it takes from topics, and what it asks of services."""
