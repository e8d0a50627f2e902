"""What became of work, as far as somebody verified it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """One table."""
    op.create_table(
        "judgements",
        *map(_text, ("id", "key", "tier", "model", "version", "prompt")),
        *map(_count, ("at_ms", "good")),
        _text("by"),
        _count("output_tokens"),
        sa.Column("seconds", sa.Double, nullable=False),
        *map(_count, ("steps", "cost_microusd")),
        sa.PrimaryKeyConstraint("id", name="pk_judgements"),
    )
    op.create_index("ix_judgements_key", "judgements", ["key", "tier", "at_ms"])
