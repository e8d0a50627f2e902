"""One file per step of the schema. A published one never changes."""
