"""Who wrote an item, when, and where it can be seen: `items.author`, `at` and `link`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Empty for what was found before."""
    for name in ("author", "at", "link"):
        op.add_column("items", sa.Column(name, sa.Text(), nullable=False, server_default=""))
