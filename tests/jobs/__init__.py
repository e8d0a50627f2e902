"""Jobs on real parts: a real database, real folders, and a clock turned by hand."""
