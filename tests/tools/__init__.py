"""What the house's own tools claim."""
