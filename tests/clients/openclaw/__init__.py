"""OpenClaw as a client of the gateway: 860 MB installed, so run by hand."""
