"""Real parts made for tests: a server that misbehaves on command, a model small enough to train."""
