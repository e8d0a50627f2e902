"""Channels to people and programs outside. A leaf: main's alerts and the worker's results."""
