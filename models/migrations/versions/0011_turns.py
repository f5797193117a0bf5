"""Keep whose turn it is: of the owners with waiting takes, and of the jobs of each owner

Both tables begin empty; `coordinator.renders.reconciler` adds what waits. Processes of revision 0010 neither read nor
write them, and claim the take of each ticket.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and add a column of leases; no table is rewritten on either database."""
    text = sqlmodel.sql.sqltypes.AutoString
    op.create_table(
        "ownerturn",
        sa.Column("provider", text(), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "owner_id"),
    )
    op.create_index("ix_ownerturn_next", "ownerturn", ["provider", "turn", "owner_id"])
    op.create_table(
        "jobturn",
        sa.Column("job_id", text(length=64), nullable=False),
        sa.Column("provider", text(), nullable=False),
        sa.Column("owner_id", text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("ix_jobturn_next", "jobturn", ["provider", "owner_id", "turn", "job_id"])
    op.add_column("scene", sa.Column("ticket", text(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("scene", "ticket")
    op.drop_table("jobturn")
    op.drop_table("ownerturn")
