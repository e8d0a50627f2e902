"""Every figure the README claims, measured here. `make bench` runs it; no test asserts one."""
