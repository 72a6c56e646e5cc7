"""Interrupted sessions made whole, and manifests for sessions that have none."""
