"""What waits in a provider's batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """One table."""
    op.create_table(
        "batches",
        *map(_text, ("attempt_id", "slot", "request", "attempt", "expected")),
        *map(_count, ("sent_ms", "until_ms")),
        *map(_text, ("state", "batch_id", "outcome")),
        _count("ended_ms"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_batches"),
    )
