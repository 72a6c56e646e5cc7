"""Image topics of other people's nodes: read, encoded where raw, and written as tracks."""
