"""Say that the index of revision 0017 is made

On Postgres, `models.migrations.online` works between the two.
"""

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing."""


def downgrade() -> None:
    """Do nothing."""
