"""Keep the file that a provider delivered, where a take's clip is not that file

A clip that browsers cannot play is shown as a rendition; one that cannot be shown at all is kept for the operator.
Takes of earlier revisions have none. Processes of revision 0005 work unchanged: they neither read nor write the column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty; the table is not rewritten on either database."""
    op.add_column("take", sa.Column("original", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop the column. The files stay under the keys of their takes, and are deleted with the scene."""
    op.drop_column("take", "original")
