"""The recorder node's parts: what it takes in, and what it is told."""
