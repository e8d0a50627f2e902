"""What did not come through twotier: answers in other programs' logs, and providers' bills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "web_searches",
)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """Four tables."""
    op.create_table(
        "outside_files",
        _text("key"),
        *map(_count, ("device", "inode", "offset", "updated_ms")),
        sa.PrimaryKeyConstraint("key", name="pk_outside_files"),
    )
    op.create_table(
        "outside_rows",
        *map(_text, ("source", "id", "request_id")),
        _count("at_ms"),
        *map(_text, ("provider", "model")),
        *map(_count, (*_TOKENS, "cost_microusd", "priced")),
        _text("through"),
        sa.PrimaryKeyConstraint("source", "id", name="pk_outside_rows"),
    )
    past = sa.text("through = ''")
    op.create_index(
        "ix_outside_rows_at_ms",
        "outside_rows",
        ["at_ms", "provider", "source", "cost_microusd", "priced"],
        sqlite_where=past,
        postgresql_where=past,
    )
    op.create_index("ix_outside_rows_when", "outside_rows", ["at_ms"])
    op.create_table(
        "bill_rows",
        *map(_text, ("provider", "kind", "day", "model", "item")),
        *map(_count, (*_TOKENS, "cost_microusd")),
        sa.PrimaryKeyConstraint("provider", "kind", "day", "model", "item", name="pk_bill_rows"),
    )
    op.create_table(
        "bill_days",
        *map(_text, ("provider", "day")),
        *map(_count, ("noon_ms", "excess_microusd")),
        sa.PrimaryKeyConstraint("provider", "day", name="pk_bill_days"),
    )
    op.create_index("ix_bill_days_noon_ms", "bill_days", ["noon_ms"])
