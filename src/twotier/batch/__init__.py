"""Work that may wait: requests that a provider answers later, at the price of a batch."""
