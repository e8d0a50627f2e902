"""Keeps child processes alive: the local model servers and the worker."""
