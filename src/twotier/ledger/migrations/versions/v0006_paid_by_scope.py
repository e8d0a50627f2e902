"""What one job, tier or model spent is summed from the index of all that was paid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """The same rows in the same order, and whose work each of them was."""
    paid = sa.text("cost_microusd > 0 OR reserved_microusd > 0")
    op.drop_index("ix_usage_paid", "usage")
    op.create_index(
        "ix_usage_paid",
        "usage",
        [
            "created_ms",
            "settled",
            "cost_microusd",
            "reserved_microusd",
            "job",
            "tier",
            "model",
            "background",
            "client",
        ],
        sqlite_where=paid,
        postgresql_where=paid,
    )
