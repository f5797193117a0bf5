"""Read each list of jobs and deliveries in the order of an index, search titles by an index, and keep counts of jobs

On Postgres the indexes are not made here: making them in this transaction would block every writer of a large
database. `models.migrations.online` makes them afterwards, and fills the new tables; revision 0008 says that it is
done. Triggers keep the tables true, also for processes of revision 0006.
"""

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


class Index(NamedTuple):
    """An index, with the condition of a partial one."""

    name: str
    table: str
    columns: str
    where: str = ""

    def statement(self, options: str = "") -> str:
        """Return the statement that makes it."""
        where = f" WHERE {self.where}" if self.where else ""
        return f"CREATE INDEX {options}{self.name} ON {self.table} ({self.columns}){where}"


# The columns behind the id decide without the row whether a job belongs to the list.
MADE = (
    Index("ix_job_owner_by_created", "job", "owner_id, created_at, id, status, deleted_at"),
    Index("ix_job_owner_by_updated", "job", "owner_id, updated_at, id, status, deleted_at"),
    Index("ix_job_owner_by_title", "job", "owner_id, title, id, status, deleted_at"),
    Index("ix_job_by_created", "job", "created_at, id, status, deleted_at, owner_id, provider"),
    Index("ix_job_by_updated", "job", "updated_at, id, status, deleted_at, owner_id, provider"),
    Index("ix_job_by_title", "job", "title, id, status, deleted_at, owner_id, provider"),
    Index("ix_job_owner_status", "job", "owner_id, status, id"),
    Index("ix_job_status", "job", "status"),
    Index("ix_job_reported", "job", "status, id", "provider = 'external' AND deleted_at IS NULL"),
    Index("ix_scene_leased", "scene", "status", "leased_by IS NOT NULL"),
    Index("ix_scene_waiting", "scene", "status, priority, queued_at", "queued_at IS NOT NULL"),
    Index("ix_webhookdelivery_latest", "webhookdelivery", "webhook_id, created_at, version, id"),
    Index("ix_webhookdelivery_status", "webhookdelivery", "webhook_id, status, created_at, version, id"),
)
DROPPED = (
    Index("ix_job_owner_created", "job", "owner_id, created_at, id"),
    Index("ix_job_owner_updated", "job", "owner_id, updated_at, id"),
    Index("ix_job_owner_title", "job", "owner_id, title, id"),
    Index("ix_job_created", "job", "created_at, id, deleted_at"),
    Index("ix_job_updated", "job", "updated_at, id"),
    Index("ix_job_title", "job", "title, id"),
    Index("ix_webhookdelivery_newest", "webhookdelivery", "webhook_id, created_at"),
)

# The titles of jobs for search. SQLite finds parts of them by FTS5, https://www.sqlite.org/fts5.html#the_trigram_tokenizer.
# Its rows are numbered, because those of `job` get other numbers by VACUUM.
SQLITE_TITLES = (
    "CREATE TABLE jobtitle (number INTEGER PRIMARY KEY, job_id VARCHAR(64) NOT NULL UNIQUE, folded VARCHAR NOT NULL)",
    "INSERT INTO jobtitle (job_id, folded) SELECT id, title_folded FROM job WHERE title_folded IS NOT NULL",
    """
    CREATE TRIGGER jobtitle_of_new_job AFTER INSERT ON job WHEN NEW.title_folded IS NOT NULL
    BEGIN INSERT INTO jobtitle (job_id, folded) VALUES (NEW.id, NEW.title_folded); END
    """,
    """
    CREATE TRIGGER jobtitle_of_changed_job AFTER UPDATE OF title_folded ON job
    WHEN NEW.title_folded IS NOT OLD.title_folded
    BEGIN
      DELETE FROM jobtitle WHERE job_id = NEW.id;
      INSERT INTO jobtitle (job_id, folded) SELECT NEW.id, NEW.title_folded WHERE NEW.title_folded IS NOT NULL;
    END
    """,
    """
    CREATE TRIGGER jobtitle_of_deleted_job AFTER DELETE ON job
    BEGIN DELETE FROM jobtitle WHERE job_id = OLD.id; END
    """,
)
# Which rows contain a part is all that is asked of it, so it stores no places and no sizes.
FTS5 = (
    "CREATE VIRTUAL TABLE jobsearch USING fts5(folded, content='jobtitle', content_rowid='number', detail=none, "
    "columnsize=0, tokenize='trigram case_sensitive 1')"
)
FTS5_UPKEEP = (
    "INSERT INTO jobsearch (jobsearch) VALUES ('rebuild')",
    """
    CREATE TRIGGER jobsearch_of_new_title AFTER INSERT ON jobtitle
    BEGIN INSERT INTO jobsearch (rowid, folded) VALUES (NEW.number, NEW.folded); END
    """,
    """
    CREATE TRIGGER jobsearch_of_deleted_title AFTER DELETE ON jobtitle
    BEGIN INSERT INTO jobsearch (jobsearch, rowid, folded) VALUES ('delete', OLD.number, OLD.folded); END
    """,
)
# For a library without FTS5: the same answers, each after a look at all titles.
# What a SQLite answers that was compiled without it, or that is too old for trigrams (before 3.34).
FTS5_IS_MISSING = ("no such module", "no such tokenizer", "error in tokenizer constructor")
WITHOUT_FTS5 = "CREATE VIEW jobsearch AS SELECT number AS rowid, folded FROM jobtitle"

# The numbers of jobs; the owner '' stands for all of them.
SQLITE_COUNTS = (
    """
    CREATE TABLE jobcount (
      owner_id VARCHAR NOT NULL, status VARCHAR(24) NOT NULL, external BOOLEAN NOT NULL, live BOOLEAN NOT NULL,
      jobs INTEGER NOT NULL, PRIMARY KEY (owner_id, status, external, live)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO jobcount SELECT owner_id, status, provider = 'external', deleted_at IS NULL, count(*) FROM job
    GROUP BY 1, 2, 3, 4
    """,
    "INSERT INTO jobcount SELECT '', status, external, live, sum(jobs) FROM jobcount GROUP BY 2, 3, 4",
)
COUNTED_COLUMNS = ("owner_id", "status", "provider", "deleted_at")

POSTGRES = (
    "CREATE TABLE jobtitle (job_id VARCHAR(64) PRIMARY KEY, folded VARCHAR NOT NULL)",
    # pg_trgm would do the same, but not every server has it.
    """
    CREATE FUNCTION job_title_trigrams(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT array_agg(DISTINCT substr($1, n, 3)) FROM generate_series(1, length($1) - 2) AS n $$
    """,
    "CREATE INDEX ix_jobtitle_trigrams ON jobtitle USING gin (job_title_trigrams(folded))",
    """
    CREATE TABLE jobcount (
      part BIGSERIAL PRIMARY KEY, owner_id VARCHAR NOT NULL, status VARCHAR(24) NOT NULL, external BOOLEAN NOT NULL,
      live BOOLEAN NOT NULL, jobs BIGINT NOT NULL
    )
    """,
    "CREATE INDEX ix_jobcount_owner ON jobcount (owner_id)",
    """
    CREATE FUNCTION job_keep_title() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_OP = 'DELETE' THEN
        DELETE FROM jobtitle WHERE job_id = OLD.id;
      ELSIF NEW.title_folded IS NULL THEN
        DELETE FROM jobtitle WHERE job_id = NEW.id;
      ELSE
        INSERT INTO jobtitle (job_id, folded) VALUES (NEW.id, NEW.title_folded)
        ON CONFLICT (job_id) DO UPDATE SET folded = EXCLUDED.folded;
      END IF;
      RETURN NULL;
    END $$
    """,
    # Each change is a row of its own, so that no two transactions wait for each other; `counts.merge` adds them up.
    """
    CREATE FUNCTION job_keep_count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_OP <> 'INSERT' THEN
        INSERT INTO jobcount (owner_id, status, external, live, jobs)
        SELECT owner, OLD.status, OLD.provider = 'external', OLD.deleted_at IS NULL, -1
        FROM unnest(ARRAY[OLD.owner_id, '']) AS owner;
      END IF;
      IF TG_OP <> 'DELETE' THEN
        INSERT INTO jobcount (owner_id, status, external, live, jobs)
        SELECT owner, NEW.status, NEW.provider = 'external', NEW.deleted_at IS NULL, 1
        FROM unnest(ARRAY[NEW.owner_id, '']) AS owner;
      END IF;
      RETURN NULL;
    END $$
    """,
    # Triggers last: they lock the table of jobs until the end of this transaction.
    """
    CREATE TRIGGER job_keep_title AFTER INSERT OR DELETE OR UPDATE OF title, title_folded ON job
    FOR EACH ROW EXECUTE FUNCTION job_keep_title()
    """,
    "CREATE TRIGGER job_keep_count AFTER INSERT OR DELETE ON job FOR EACH ROW EXECUTE FUNCTION job_keep_count()",
    """
    CREATE TRIGGER job_keep_changed_count AFTER UPDATE OF owner_id, status, provider, deleted_at ON job FOR EACH ROW
    WHEN ((NEW.owner_id, NEW.status, NEW.provider, NEW.deleted_at IS NULL)
      IS DISTINCT FROM (OLD.owner_id, OLD.status, OLD.provider, OLD.deleted_at IS NULL))
    EXECUTE FUNCTION job_keep_count()
    """,
)


def _sqlite_count_triggers() -> list[str]:
    """Return the triggers that keep the counts."""

    def added(row: str, change: int) -> str:
        what = f"{row}.status, {row}.provider = 'external', {row}.deleted_at IS NULL, {change}"
        return (
            f"INSERT INTO jobcount VALUES ({row}.owner_id, {what}), ('', {what}) "  # noqa: S608 # our own names
            "ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs;"
        )

    new, old = added("NEW", 1), added("OLD", -1)
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in COUNTED_COLUMNS)
    return [
        f"CREATE TRIGGER jobcount_of_new_job AFTER INSERT ON job BEGIN {new} END",
        f"CREATE TRIGGER jobcount_of_deleted_job AFTER DELETE ON job BEGIN {old} END",
        f"CREATE TRIGGER jobcount_of_changed_job AFTER UPDATE OF {', '.join(COUNTED_COLUMNS)} ON job WHEN {changed} "
        f"BEGIN {old} {new} END",
    ]


def _execute(*statements: str) -> None:
    for statement in statements:
        # Not by `op.execute`, which takes colons for parameters.
        op.get_bind().exec_driver_sql(statement)


def upgrade() -> None:
    """Apply; on Postgres all but the indexes and the contents of the new tables."""
    if op.get_bind().dialect.name == "postgresql":
        _execute(*POSTGRES)
        return
    _execute(*(f"DROP INDEX {index.name}" for index in DROPPED), *(index.statement() for index in MADE))
    _execute(*SQLITE_TITLES)
    _search_table()
    _execute(*SQLITE_COUNTS, *_sqlite_count_triggers())


def _search_table() -> None:
    try:
        _execute(FTS5)
    except DBAPIError as error:
        if not str(error.orig).startswith(FTS5_IS_MISSING):
            raise
        _execute(WITHOUT_FTS5)
    else:
        _execute(*FTS5_UPKEEP)


def downgrade() -> None:
    """Take back. The servers are stopped before a downgrade, so that indexes are made at once on Postgres too."""
    if op.get_bind().dialect.name == "postgresql":
        triggers = ("job_keep_title", "job_keep_count", "job_keep_changed_count")
        _execute(*(f"DROP TRIGGER {name} ON job" for name in triggers))
        _execute("DROP FUNCTION job_keep_title()", "DROP FUNCTION job_keep_count()")
        _execute("DROP TABLE jobcount", "DROP TABLE jobtitle", "DROP FUNCTION job_title_trigrams(text)")
    else:
        changes = ("new", "changed", "deleted")
        _execute(*(f"DROP TRIGGER {table}_of_{change}_job" for table in ("jobcount", "jobtitle") for change in changes))
        view = op.get_bind().execute(sa.text("SELECT type FROM sqlite_master WHERE name = 'jobsearch'")).scalar()
        _execute(f"DROP {view or 'table'} jobsearch", "DROP TABLE jobtitle", "DROP TABLE jobcount")
    _execute(*(f"DROP INDEX IF EXISTS {index.name}" for index in MADE))
    # A Postgres that was never at revision 0008 has them still.
    _execute(*(index.statement("IF NOT EXISTS ") for index in DROPPED))
