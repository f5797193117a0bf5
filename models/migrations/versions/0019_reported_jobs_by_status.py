"""Find the jobs that workers outside the server may see by their status on SQLite

Without statistics SQLite takes the index with most of the columns that are compared: for jobs with a status, it took
that of all jobs. So the columns that are the same in all of a partial index are in it as well, in front. Postgres needs
nothing: its statistics tell the indexes apart.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

COLUMNS = {"ix_job_reported": ["status", "id"], "ix_job_reported_owner": ["owner_id", "status", "id"]}
IN_FRONT = ["provider", "deleted_at"]
WHERE = "provider = 'external' AND deleted_at IS NULL"


def upgrade() -> None:
    """Replace the indexes."""
    _replace(IN_FRONT)


def downgrade() -> None:
    """Make the former ones again."""
    _replace([])


def _replace(in_front: list[str]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, columns in COLUMNS.items():
            op.drop_index(name, "job")
            op.create_index(name, "job", [*in_front, *columns], sqlite_where=sa.text(WHERE))
