"""The faults of the bench are the ones they say, or their figures are worth nothing."""
