"""Watchers: they look for something new, so that no model is asked when there is nothing."""
