"""What was known at a decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One column."""
    op.add_column("decisions", sa.Column("known", sa.Text, nullable=False, server_default=""))
