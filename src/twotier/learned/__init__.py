"""What was found out about each tier: how fast it is, and how it did when it was probed."""
