"""The run of a decision that a rule of the owner's kept on this machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """A column that nearly every row leaves empty, and an index of those that do not."""
    op.add_column("decisions", sa.Column("held_run", sa.Text, nullable=False, server_default=""))
    held = sa.text("held_run != ''")
    op.create_index(
        "ix_decisions_held", "decisions", ["created_ms"], sqlite_where=held, postgresql_where=held
    )
