"""Sums by quarter-hour and day; which row counts as its request; whose an open row is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def upgrade() -> None:
    """Three columns, one table. It stays empty here: who opens the file fills it from the rows."""
    op.add_column("usage", _count("requests", "0"))
    op.add_column("usage", sa.Column("owner", sa.Text, nullable=False, server_default=""))
    op.add_column("usage", _count("lease_ms", "0"))
    op.execute(
        "UPDATE usage SET requests = 1 WHERE attempt_id IN"
        " (SELECT min(attempt_id) FROM usage WHERE kind = 'request' GROUP BY request_id)"
    )
    tokens = ("input", "cache_read", "cache_write", "output", "reasoning")
    states = ("open_attempts", "estimated", "unknown")
    op.create_table(
        "rollups",
        _text("grain"),
        _count("start_ms"),
        *map(_text, ("dimension", "key")),
        *map(_count, ("attempts", "requests")),
        *(_count(f"{kind}_tokens") for kind in tokens),
        *map(_count, ("cost_microusd", "reserved_microusd", *states)),
        *map(_count, ("fees_microusd", "web_searches")),
        sa.PrimaryKeyConstraint("grain", "start_ms", "dimension", "key", name="pk_rollups"),
        sqlite_with_rowid=False,
    )
