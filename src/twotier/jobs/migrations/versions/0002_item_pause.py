"""An item whose try failed waits a while: `items.next_ms`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Items that are there already may be taken at once."""
    op.add_column(
        "items", sa.Column("next_ms", sa.BigInteger(), nullable=False, server_default="0")
    )
