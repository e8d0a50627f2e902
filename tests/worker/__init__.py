"""The worker as a real child process, with a small server that plays main."""
