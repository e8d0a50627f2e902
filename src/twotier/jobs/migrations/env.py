"""Alembic's entry. The connection is handed over by `jobs.database`, with its settings."""

from __future__ import annotations

from alembic import context

from twotier.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
