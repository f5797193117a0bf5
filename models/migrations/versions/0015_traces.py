"""Keep the trace to which queued takes, leases and deliveries belong

Null where nothing belongs to a trace, which is what processes of revision 0014 write. They read none of it.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TABLES = ("scene", "takelease", "webhookdelivery")


def upgrade() -> None:
    """Add the columns, empty; no table is rewritten on either database."""
    for table in _TABLES:
        op.add_column(table, sa.Column("traceparent", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=True))


def downgrade() -> None:
    """Drop them."""
    for table in _TABLES:
        op.drop_column(table, "traceparent")
