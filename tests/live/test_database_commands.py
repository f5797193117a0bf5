"""Commands and their database: missing, of an older or newer revision, or refusing them; and downgrades."""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from models import migrations
from models.db.database import Database
from models.db.tables import AUDIT
from server.processes.serve import ready
from server.settings import Settings, WrongSettings
from tests.support import jobs
from tests.support.command_line import invoke
from tests.support.database_choice import database_choice
from tests.support.postgres import Databases
from tests.support.server_app import running

SECRET = "a secret of the tests, of more than 32 bytes"
PASSWORD = "hunter2"
NEWEST = migrations.newest()
NEWER = "9999"


async def execute(url: str, statement: sa.Executable) -> None:
    """Execute one statement in a transaction."""
    database = Database(url)
    async with database.writer.begin() as connection:
        await connection.execute(statement)
    await database.close()


async def audited(url: str) -> list[tuple[str, str]]:
    """Return action and object of each entry of the audit log."""
    database = Database(url)
    async with database.connect(database.reader) as connection:
        rows = await connection.execute(sa.select(AUDIT.c.action, AUDIT.c.object_id))
        found = [(str(row[0]), str(row[1])) for row in rows]
    await database.close()
    return found


@contextmanager
def of_newer_program(url: str) -> Generator[None]:
    """Give the database a revision that this program does not know."""
    statement = sa.text("UPDATE alembic_version SET version_num = :revision")
    asyncio.run(execute(url, statement.bindparams(revision=NEWER)))
    try:
        yield
    finally:
        asyncio.run(execute(url, statement.bindparams(revision=NEWEST)))


@pytest.fixture
def migrated(request: pytest.FixtureRequest, tmp_path: Path, database: None) -> Generator[str]:
    """The URL of a migrated database that no other test uses."""
    with ExitStack() as stack:
        url = database_choice.url(tmp_path)
        if database_choice.distributed:
            postgres: Databases = request.getfixturevalue("postgres")
            url = stack.enter_context(postgres.blank())
        assert invoke("migrate", database_url=url).status == 0
        yield url


class TestNoDatabase:
    """A database that does not exist."""

    @pytest.mark.parametrize("place", ["new/test.db", "test.db"], ids=["no_folder", "no_file"])
    def test_revoke_without_sqlite_file_is_refused_and_creates_nothing(self, tmp_path: Path, place: str) -> None:
        """The message names the file."""
        file = tmp_path / place
        ran = invoke("revoke", "--sub", "amy", database_url=f"sqlite+aiosqlite:///{file}")
        assert ran == (2, "", f"scenewire: SCENEWIRE_DATABASE_URL: there is no database at {file}\n")
        assert list(tmp_path.iterdir()) == []

    def test_token_without_sqlite_file_creates_nothing(self, tmp_path: Path) -> None:
        """The token is issued, with a warning that it is in no audit log."""
        file = tmp_path / "new" / "test.db"
        ran = invoke("token", "--sub", "amy", database_url=f"sqlite+aiosqlite:///{file}", auth_secret=SECRET)
        assert (ran.status, ran.out.count(".")) == (0, 2)
        assert ran.err == (
            f"scenewire: the token is not in the audit log: SCENEWIRE_DATABASE_URL: there is no database at {file}\n"
        )
        assert list(tmp_path.iterdir()) == []

    def test_revoke_with_empty_sqlite_file_is_refused_and_leaves_it_empty(self, tmp_path: Path) -> None:
        """Only `serve` and `migrate` create tables."""
        file = tmp_path / "test.db"
        file.touch()
        ran = invoke("revoke", "--sub", "amy", database_url=f"sqlite+aiosqlite:///{file}")
        assert (ran.status, ran.out) == (2, "")
        assert "is at revision none" in ran.err
        assert file.stat().st_size == 0

    @pytest.mark.parametrize("command", [("revoke", "--sub", "amy"), ("migrate",)], ids=["revoke", "migrate"])
    def test_missing_postgres_database_is_refused_by_name_without_password(
        self, postgres: Databases, command: tuple[str, ...]
    ) -> None:
        """One line contains the message of Postgres and the URL that was used."""
        with postgres.blank() as blank:
            missing = sa.make_url(blank).set(database="scenewire_missing", password=PASSWORD)
        url = missing.update_query_dict({"password": PASSWORD}).render_as_string(hide_password=False)
        ran = invoke(*command, database_url=url)
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert ran.err.startswith('scenewire: SCENEWIRE_DATABASE_URL: database "scenewire_missing" does not exist (')
        assert "/scenewire_missing" in ran.err
        assert PASSWORD not in ran.err
        # What `serve` and `worker` do before anything else.
        with pytest.raises(WrongSettings) as refused:
            ready(Settings(database_url=url))
        assert ran.err == f"scenewire: {refused.value}\n"

    def test_revoke_without_postgres_server_names_the_database(self, tmp_path: Path) -> None:
        """Exit status 1, because the database may answer later."""
        url = f"postgresql+asyncpg://me:{PASSWORD}@/scenes?host={tmp_path}"
        ran = invoke("revoke", "--sub", "amy", database_url=url)
        assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "/scenes" in ran.err
        assert PASSWORD not in ran.err
        assert invoke("migrate", database_url=url).status == 1


def test_unread_variable_is_reported_by_commands_without_a_log(tmp_path: Path) -> None:
    """A misspelled DATABASE_URL is reported, so that an operator sees why another database was used."""
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    ran = invoke("migrate", database_url=url, databse_url="postgresql+asyncpg://host/scenes")
    assert (ran.status, ran.err) == (
        0,
        "scenewire: SCENEWIRE_DATABSE_URL is not a setting and has no effect; the nearest name is "
        "SCENEWIRE_DATABASE_URL\n",
    )


@pytest.mark.both_databases
class TestRevoke:
    """A database that exists."""

    def test_revoke_names_the_database_that_it_used(self, migrated: str) -> None:
        """The revocation is recorded in that database."""
        ran = invoke("revoke", "--sub", "amy", database_url=migrated)
        named = sa.make_url(migrated).database or ""
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith("All tokens of amy that were issued before now are revoked in ")
        assert named in ran.out
        assert asyncio.run(audited(migrated)) == [("revoke", "amy")]


@pytest.mark.both_databases
class TestRevisions:
    """`migrate --to`, and databases of another program version."""

    def test_database_of_newer_program_is_refused_in_one_line(self, migrated: str) -> None:
        """Every command that opens it refuses it; the message contains the command of the downgrade."""
        line = (
            f"SCENEWIRE_DATABASE_URL: the database is at revision {NEWER}, which is newer than this program's {NEWEST}"
            f"; update the program, or run with the newer one: python -m server migrate --to {NEWEST}"
        )
        with of_newer_program(migrated):
            for command in (("migrate",), ("migrate", "--to", "0001"), ("revoke", "--sub", "amy")):
                assert invoke(*command, database_url=migrated) == (2, "", f"scenewire: {line}\n"), command
            # What `serve` and `worker` do before anything else.
            with pytest.raises(WrongSettings) as refused:
                ready(Settings(database_url=migrated))
            assert str(refused.value) == line

    def test_migrate_to_older_revision_and_back_keeps_the_jobs(self, migrated: str, tmp_path: Path) -> None:
        """Their scenes are kept too; a server of this version does not start in between."""

        async def make_job() -> str:
            async with running(tmp_path, database_url=migrated) as app:
                return (await jobs.make(app, jobs.scene(steps=1), title="Kept", start=False)).id

        async def read(job_id: str) -> str:
            async with running(tmp_path, database_url=migrated) as app:
                return (await jobs.job(app, job_id, "title scenes { nodes { status } }"))["title"]

        job_id = asyncio.run(make_job())
        older = migrations.known()[-2]
        assert invoke("migrate", "--to", older, database_url=migrated) == (0, f"Migrated to revision {older}.\n", "")
        assert invoke("migrate", "--to", older, database_url=migrated).out == f"Already at revision {older}.\n"
        assert invoke("revoke", "--sub", "amy", database_url=migrated).status == 2
        assert invoke("migrate", database_url=migrated) == (0, f"Migrated to revision {NEWEST}.\n", "")
        assert asyncio.run(read(job_id)) == "Kept"

    def test_every_migration_has_a_downgrade(self, migrated: str) -> None:
        """Migrates down to the first revision, one by one, and up again."""
        steps = [*reversed(migrations.known()[:-1]), *migrations.known()[1:]]
        ran = [invoke("migrate", "--to", step, database_url=migrated) for step in steps]
        assert ran == [(0, f"Migrated to revision {step}.\n", "") for step in steps]

    def test_migrate_to_unknown_revision_is_refused(self, migrated: str) -> None:
        """The message lists the revisions."""
        ran = invoke("migrate", "--to", "12", database_url=migrated)
        known = ", ".join(migrations.known())
        assert ran == (2, "", f"scenewire: --to: '12' is not a revision; the revisions are {known}\n")
