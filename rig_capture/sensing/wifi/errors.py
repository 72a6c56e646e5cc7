"""What can go wrong with Wi-Fi; no message ever holds a password."""


class WifiError(Exception):
    """Wi-Fi can't do what was asked; the message says what, why, and what to do."""


class WifiCancelled(WifiError):
    """It was asked to give up."""
