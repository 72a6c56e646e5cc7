"""What every node stands on."""
