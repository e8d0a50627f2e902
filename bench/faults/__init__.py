"""What happens when things break: the same faults for twotier and for its peers, in one run."""
