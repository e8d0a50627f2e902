"""What tiers were found to be: how fast, and how well they do what agents need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _rate(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False)


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "speeds",
        *map(_text, ("model", "version", "measure")),
        _count("depth"),
        _rate("value"),
        *map(_count, ("count", "updated_ms")),
        sa.PrimaryKeyConstraint("model", "version", "measure", "depth", name="pk_speeds"),
    )
    op.create_table(
        "probes",
        *map(_text, ("probe_id", "row")),
        _count("created_ms"),
        *map(_text, ("tier", "model", "engine", "version")),
        *map(_count, ("number", "passed", "tries", "repaired", "tokens")),
        *map(_rate, ("prefill", "decode")),
        _text("note"),
        sa.PrimaryKeyConstraint("probe_id", "row", name="pk_probes"),
    )
    op.create_index("ix_probes_model", "probes", ["model", "version", "created_ms"])
