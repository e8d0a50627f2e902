"""Models on this machine: the starter model, and what is here already."""
