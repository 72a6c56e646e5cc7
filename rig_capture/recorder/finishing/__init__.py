"""What is left to do when a recording has stopped: hashes, merged file, completion mark."""
