"""Proof that a session is whole."""
