"""Asking main, over a real socket."""
