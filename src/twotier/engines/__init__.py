"""One file per local engine: how its environment is made, how it is started, and its quirks."""
