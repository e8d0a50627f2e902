"""Whether another tier did it again before anybody had it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """One column."""
    op.add_column("judgements", sa.Column("redone", sa.Boolean, nullable=False, server_default="0"))
