"""Incidents, their messages and the queue on disk."""
