"""The nouns: frozen values that travel between parts. No I/O, no clock, no wire shapes."""
