"""Scheduled work: which slots are due, one run row for each, and what became of it."""
