"""Jobs of videos from outside: folders in, out and failed, and the daemon that works them off."""
