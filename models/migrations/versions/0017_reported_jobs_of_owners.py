"""Find the jobs of one owner that workers outside the server may see by an index

On Postgres, `models.migrations.online` makes it; revision 0018 says that it is done. Processes of revision 0016 do not
need it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEX = "ix_job_reported_owner"
WHERE = "provider = 'external' AND deleted_at IS NULL"
# Of Postgres.
STATEMENT = f"CREATE INDEX CONCURRENTLY {INDEX} ON job (owner_id, status, id) WHERE {WHERE}"


def upgrade() -> None:
    """Make the index on SQLite."""
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(INDEX, "job", ["owner_id", "status", "id"], sqlite_where=sa.text(WHERE))


def downgrade() -> None:
    """Drop it."""
    op.drop_index(INDEX, "job", if_exists=True)
