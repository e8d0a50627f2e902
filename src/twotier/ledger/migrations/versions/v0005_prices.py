"""What a price says beside its five rates, how it was applied, and the fees in a cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Columns that only paid attempts fill."""
    for name in ("price_terms", "price_applied"):
        op.add_column("usage", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for name in ("fees_microusd", "web_searches"):
        op.add_column("usage", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
