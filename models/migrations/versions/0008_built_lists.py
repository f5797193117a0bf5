"""Say that the indexes of revision 0007 are made, and its tables filled

Programs that read them need this revision. On Postgres, `models.migrations.online` works between the two.
"""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing."""


def downgrade() -> None:
    """Do nothing."""
