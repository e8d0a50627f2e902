"""Which tier a request deserves, and why. Pure: values in, a decision out."""
