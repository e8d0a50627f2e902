"""twotier: one program between a person's work and two models."""

__version__ = "0.1.0"
