"""What the player is made of: messages out of what a session holds, pictures out of its video, keys, the thread that plays."""
