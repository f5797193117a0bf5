"""Index the orders of lists over all owners, which were sorted for each page

An administrator's page took longer with every job in the database. Processes of revision 0004 work unchanged.
Postgres gets the indexes of revision 0007 instead, which are made without blocking its writers.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index for each order; that of the last change gets the id, by which equal instants are ordered."""
    if op.get_bind().dialect.name == "postgresql":
        return
    op.create_index("ix_job_created", "job", ["created_at", "id", "deleted_at"])
    op.create_index("ix_job_title", "job", ["title", "id"])
    op.drop_index("ix_job_updated", table_name="job")
    op.create_index("ix_job_updated", "job", ["updated_at", "id"])


def downgrade() -> None:
    """Restore the former indexes."""
    op.drop_index("ix_job_updated", table_name="job", if_exists=True)
    op.create_index("ix_job_updated", "job", ["updated_at"])
    op.drop_index("ix_job_title", table_name="job", if_exists=True)
    op.drop_index("ix_job_created", table_name="job", if_exists=True)
