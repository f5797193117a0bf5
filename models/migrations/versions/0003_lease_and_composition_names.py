"""Name the columns of leases and compositions by their standard terms"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# table, name until revision 0002, name from 0003 on
RENAMED = (
    ("scene", "worker", "leased_by"),
    # The instant of the last heartbeat becomes the end of the lease, so leases of older processes have expired.
    ("scene", "heartbeat_at", "lease_expires_at"),
    ("webhookdelivery", "worker", "leased_by"),
    ("webhookdelivery", "held_until", "lease_expires_at"),
    ("job", "cut", "composition_version"),
)


def upgrade() -> None:
    """Rename in place, on SQLite too: recreating a table would delete its children by cascade."""
    for table, old, new in RENAMED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")  # our own names


def downgrade() -> None:
    """Rename back."""
    for table, old, new in reversed(RENAMED):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")  # our own names
