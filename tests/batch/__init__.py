"""Work that waits in batches."""
