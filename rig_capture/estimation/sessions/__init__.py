"""Estimating the sessions of a rig in the background: what is to be done, in which processes, and what could not be done."""
