"""Store the folded title of each job, for caseless search

The column is filled after the migration, in short transactions (`models.writes.titles`): a long one would hold the lock
of this DDL. It is null until then, and for jobs that processes of revision 0003 write meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UNFOLDED = sa.text("title_folded IS NULL")

# Processes of revision 0003 change titles without their folding, which must not remain that of the former title.
CLEAR_FOLDED_TITLE = (
    """
    CREATE FUNCTION job_clear_folded_title() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.title_folded := NULL; RETURN NEW; END $$
    """,
    """
    CREATE TRIGGER job_clear_folded_title BEFORE UPDATE OF title ON job FOR EACH ROW
    WHEN (NEW.title IS DISTINCT FROM OLD.title) EXECUTE FUNCTION job_clear_folded_title()
    """,
)


def upgrade() -> None:
    """Add the column; neither database rewrites the table for it."""
    op.add_column("job", sa.Column("title_folded", sa.String(), nullable=True))
    op.create_index("ix_job_unfolded", "job", ["id"], sqlite_where=UNFOLDED, postgresql_where=UNFOLDED)
    if op.get_bind().dialect.name == "postgresql":
        for statement in CLEAR_FOLDED_TITLE:
            op.execute(statement)


def downgrade() -> None:
    """Remove the column, and the index by pg_trgm that this revision made before revision 0007 replaced it."""
    if op.get_bind().dialect.name == "postgresql":
        # Databases that were migrated before the trigger was renamed have the second name.
        for name in ("job_clear_folded_title", "job_forget_folding"):
            op.execute(f"DROP TRIGGER IF EXISTS {name} ON job")
            op.execute(f"DROP FUNCTION IF EXISTS {name}()")
        op.execute("DROP INDEX IF EXISTS ix_job_title_folded")
    op.drop_index("ix_job_unfolded", "job")
    op.drop_column("job", "title_folded")
