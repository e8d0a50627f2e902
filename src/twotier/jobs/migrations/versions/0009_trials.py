"""Trials of jobs with their evidence, and the settings jobs had earlier."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing is known of what was before."""
    op.create_table(
        "trials",
        sa.Column("id", sa.Text(), primary_key=True),
        *texts("job", "kind", "side", "policy", "model", "prompt", "judge"),
        *numbers("runs"),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.Column("at_once", sa.Boolean(), nullable=False),
        *numbers("limit_microusd", "spent_microusd"),
        *texts("rates", "swapped_from", "state", "because"),
        *numbers("made_ms"),
        sa.Column("ended_ms", sa.BigInteger()),
    )
    op.create_index("trials_job", "trials", ["job", "made_ms"])
    op.create_table(
        "trial_pairs",
        *keys("trial", "of_run", "item"),
        *texts("job"),
        sa.Column("fits", sa.Boolean(), nullable=False),
        *texts("checks", "verdict", "tier", "model"),
        *numbers("tokens", "cost_microusd", "judge_microusd"),
        sa.Column("seconds", sa.Float(), nullable=False),
        *texts("own_tier"),
        *numbers("own_tokens", "own_cost_microusd", "made_ms"),
    )
    op.create_table(
        "trial_texts",
        *keys("trial", "run", "item"),
        *texts("job", "title", "own", "other", "because"),
    )
    op.create_table(
        "job_revisions",
        *keys("job"),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        *texts("text", "place"),
        *numbers("seen_ms"),
    )


def keys(*names: str) -> list[sa.Column[str]]:
    """Parts of a key."""
    return [sa.Column(name, sa.Text(), primary_key=True) for name in names]


def texts(*names: str) -> list[sa.Column[str]]:
    """Texts that are always there."""
    return [sa.Column(name, sa.Text(), nullable=False, server_default="") for name in names]


def numbers(*names: str) -> list[sa.Column[int]]:
    """Numbers that are always there."""
    return [sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in names]
