"""What one client spent is summed from an index of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Only rows where money is at stake, as in `ix_usage_paid`."""
    paid = sa.text("cost_microusd > 0 OR reserved_microusd > 0")
    op.create_index(
        "ix_usage_paid_client",
        "usage",
        ["client", "created_ms", "settled", "cost_microusd", "reserved_microusd"],
        sqlite_where=paid,
        postgresql_where=paid,
    )
