"""What breaks on purpose: faults from a seed, and after each of them nothing was lost."""
