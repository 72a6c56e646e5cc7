"""Cameras: drivers that yield captures, and the pipeline that makes packets, previews and raw pictures of them."""
