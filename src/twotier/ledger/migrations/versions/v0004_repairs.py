"""What was mended in an attempt's tool calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A column that nearly every row leaves empty, and an index of those that do not."""
    op.add_column("usage", sa.Column("repairs", sa.Text, nullable=False, server_default=""))
    repaired = sa.text("repairs != ''")
    op.create_index(
        "ix_usage_repairs",
        "usage",
        ["created_ms"],
        sqlite_where=repaired,
        postgresql_where=repaired,
    )
