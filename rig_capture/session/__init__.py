"""The contract on disk: layout, manifest, hashing, lock, atomic files. Nobody else builds these paths or parses these files."""
