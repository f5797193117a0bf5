"""Keep the instant of the last report on each open take of a worker outside the server

Takes without a report for long fail. Processes of revision 0008 neither read nor write the column; the takes that they
schedule are noted by `coordinator.renders.silent_takes` later. On Postgres, `models.migrations.online` makes the index.
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "ix_scene_reported"
WHERE = "reported_at IS NOT NULL"
# Of Postgres.
STATEMENT = f"CREATE INDEX CONCURRENTLY {INDEX} ON scene (reported_at) WHERE {WHERE}"


def upgrade() -> None:
    """Add the column, empty; the table is not rewritten on either database."""
    op.add_column("scene", sa.Column("reported_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(INDEX, "scene", ["reported_at"], sqlite_where=sa.text(WHERE))


def downgrade() -> None:
    """Drop both."""
    op.drop_index(INDEX, "scene", if_exists=True)
    op.drop_column("scene", "reported_at")
