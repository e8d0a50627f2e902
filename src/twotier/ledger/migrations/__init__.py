"""Alembic's scripts for `ledger.db`, run by `twotier.ledger.migrate` and by nobody else."""
