"""How often a watcher found nothing: `looks`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The quiet runs that are still known are the beginning."""
    op.create_table(
        "looks",
        sa.Column("quarter_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("job", sa.Text(), primary_key=True),
        sa.Column("looks", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "INSERT INTO looks SELECT slot_ms - slot_ms % 900000, job, count(*) FROM runs"
        " WHERE state = 'quiet' GROUP BY 1, 2"
    )
