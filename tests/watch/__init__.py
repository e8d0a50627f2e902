"""Watchers on real folders."""
