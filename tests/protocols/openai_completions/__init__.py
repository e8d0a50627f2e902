"""Text completions, read, relayed and written."""
