"""Wi-Fi: looking around, connecting, and a hotspot for setting it up, by NetworkManager."""
