"""Which jobs are paused: `pauses`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A row is a job whose slots are neither run nor missed."""
    op.create_table(
        "pauses",
        sa.Column("job", sa.Text(), primary_key=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
    )
