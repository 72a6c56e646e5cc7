"""Recordings that are to come."""
