"""The first tables: usage, decisions, meta. No way back: an older program restores a backup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    """Make the tables."""
    _usage()
    _usage_indexes()
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, nullable=False),
        _text("request_id"),
        _count("created_ms"),
        *map(_text, ("options", "rule", "because", "task", "refusal", "refusal_code")),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_request_id", "decisions", ["request_id"])
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, nullable=False),
        _text("value"),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def _usage() -> None:
    names = ("tier", "provider", "model_asked", "model", "model_served", "rule", "kind")
    callers = ("client", "job", "run", "step")
    tokens = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    rates = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
    op.create_table(
        "usage",
        sa.Column("attempt_id", sa.Text, nullable=False),
        _text("request_id"),
        _count("created_ms"),
        *map(_text, names + callers),
        sa.Column("background", sa.Boolean, nullable=False),
        *(_count(f"{kind}_tokens") for kind in tokens),
        *map(_count, ("reserved_microusd", "cost_microusd")),
        *map(_text, ("settled", "outcome", "error")),
        _count("upstream_status"),
        sa.Column("first_token_ms", sa.BigInteger),
        _count("total_ms"),
        *(_count(f"price_{rate}") for rate in rates),
        *map(_text, ("price_since", "price_source")),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_usage"),
    )


def _usage_indexes() -> None:
    op.create_index("ix_usage_created_ms", "usage", ["created_ms"])
    paid = sa.text("cost_microusd > 0 OR reserved_microusd > 0")
    op.create_index(
        "ix_usage_paid",
        "usage",
        ["created_ms", "settled", "cost_microusd", "reserved_microusd"],
        sqlite_where=paid,
        postgresql_where=paid,
    )
    is_open = sa.text("settled = 'open'")
    op.create_index(
        "ix_usage_open", "usage", ["settled"], sqlite_where=is_open, postgresql_where=is_open
    )
