"""Channels, against real servers."""
