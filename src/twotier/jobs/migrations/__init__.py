"""Alembic's migrations of `work.db`, run by `jobs.database`."""
