"""Calls that were counted, who works on a run, and whose steps it took over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Runs that are there belong to whoever takes them up."""
    for name in ("owner", "forked_from"):
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "calls",
        sa.Column("run", sa.Text(), primary_key=True),
        sa.Column("step", sa.Text(), primary_key=True),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=False),
        sa.Column("elsewhere", sa.Boolean(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("calls_job", "calls", ["job", "made_ms"])
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
    )
