"""Let Postgres suppose that every owner has as many jobs as the one with the most

It keeps plans for any owner. By the average of many small owners, all indexes that begin with the owner seem as good as
each other, and it takes one in which it reads all jobs of an owner with thousands. With one distinct value it supposes
the share of the most common one: https://www.postgresql.org/docs/current/sql-altertable.html, n_distinct.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Set the number of distinct owners that plans are made for."""
    _plan_with("SET (n_distinct = 1)")


def downgrade() -> None:
    """Let statistics say it again."""
    _plan_with("RESET (n_distinct)")


def _plan_with(distinct: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE job ALTER COLUMN owner_id {distinct}")
        op.execute("ANALYZE job (owner_id)")
