"""What commands and scripts speak to a running rig through."""
