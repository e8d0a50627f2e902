"""What agents would have done in trials, and which worker is at a trial."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Trials of before had no effects to tell of."""
    op.add_column("trials", text("owner"))
    op.add_column("trial_pairs", text("effects"))
    for name in ("own_effects", "other_effects", "held"):
        op.add_column("trial_texts", text(name))


def text(name: str) -> sa.Column[str]:
    """A text that is always there."""
    return sa.Column(name, sa.Text(), nullable=False, server_default="")
