"""A copy of all that cannot be fetched or made again, in one file, and the way back from it."""
