"""What clients reach: paths, keys, limits, and the thin handlers in front of `dispatch`."""
