"""How well streams go together: flashes found in pictures and beeps found in sound, and how far apart their stamps are."""
