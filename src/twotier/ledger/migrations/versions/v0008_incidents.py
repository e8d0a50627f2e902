"""What a person has to hear of, and the messages about it that are on their way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "incidents",
        _text("key"),
        sa.Column("opened_ms", sa.BigInteger, nullable=False, autoincrement=False),
        *map(_text, ("about", "kind", "text", "severity")),
        _count("ended_ms"),
        sa.PrimaryKeyConstraint("key", "opened_ms", name="pk_incidents"),
    )
    op.create_table(
        "alert_messages",
        *map(_text, ("id", "channel")),
        *map(_count, ("created_ms", "due_ms", "tries")),
        *map(_text, ("severity", "title", "text", "facts", "state", "error")),
        sa.PrimaryKeyConstraint("id", "channel", name="pk_alert_messages"),
    )
