"""The folded titles of jobs: filled by the migration, kept when the program is rolled back and forward."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from models import migrations
from models.db.database import Database
from models.writes.titles import JOBS_AT_ONCE
from server.database.database_setup import migrate
from tests.support.database_choice import database_choice
from tests.support.factories import a_job
from tests.support.server_app import App, running

pytestmark = pytest.mark.both_databases

BEFORE_FOLDING = "0003"


async def move(folder: Path, revision: str) -> None:
    """Migrate the database to a revision, as the command does."""
    database = Database(database_choice.url(folder))
    await migrate(database, revision)
    await database.close()


async def write_as_before(folder: Path, *statements: tuple[str, dict[str, str]]) -> None:
    """Execute statements as a process of the earlier revision does."""
    database = Database(database_choice.url(folder))
    async with database.writer.begin() as connection:
        for statement, values in statements:
            await connection.execute(sa.text(statement), values)
    await database.close()


async def titles_found(app: App, search: str) -> set[str]:
    """Return the titles that a search finds."""
    document = "query($search: String) { jobs(first: 100, filter: {search: $search}) { totalCount nodes { title } } }"
    return {node["title"] for node in (await app.execute(document, search=search))["jobs"]["nodes"]}


async def test_migration_folds_the_titles_of_existing_jobs(tmp_path: Path) -> None:
    """Jobs of an earlier revision are folded in batches, and those that its processes change during the migration."""
    async with running(tmp_path) as app:
        first = await a_job(app, title="ΟΔΟΣ 1")
        second = await a_job(app, title="Straße 2")
    await move(tmp_path, BEFORE_FOLDING)
    rename = "UPDATE job SET title = :title WHERE id = :id"
    await write_as_before(
        tmp_path, (rename, {"title": "Οδοσήμανση 1", "id": first.id}), *await copies(tmp_path, first.id)
    )
    await move(tmp_path, migrations.newest())
    assert await unfolded(tmp_path) == 0
    async with running(tmp_path) as app:
        assert await titles_found(app, "ΟΔΟΣ") == {"Οδοσήμανση 1"}
        assert await titles_found(app, "STRASSE") == {"Straße 2"}
        document = '{ jobs(filter: {search: "ΟΔΟΣΉ"}) { totalCount } }'
        assert (await app.execute(document))["jobs"]["totalCount"] == JOBS_AT_ONCE + 2
    if database_choice.distributed:
        await write_as_before(tmp_path, (rename, {"title": "ΟΔΟΣ 3", "id": second.id}))
        assert await unfolded(tmp_path) == 1


async def copies(folder: Path, job_id: str) -> list[tuple[str, dict[str, str]]]:
    """Return the statements that copy a job to more rows than one batch of the migration."""
    database = Database(database_choice.url(folder))
    async with database.reader.connect() as connection:
        columns = await connection.run_sync(lambda sync: [each["name"] for each in sa.inspect(sync).get_columns("job")])
    await database.close()
    named = ", ".join(f'"{name}"' for name in columns)
    selected = ", ".join(":copy" if name == "id" else f'"{name}"' for name in columns)
    statement = f"INSERT INTO job ({named}) SELECT {selected} FROM job WHERE id = :id"  # noqa: S608 # our own names
    return [(statement, {"id": job_id, "copy": f"job_copy{number:022}"}) for number in range(JOBS_AT_ONCE + 1)]


async def unfolded(folder: Path) -> int:
    """Return the number of jobs whose title is not folded."""
    database = Database(database_choice.url(folder))
    async with database.reader.connect() as connection:
        count = (await connection.execute(sa.text("SELECT count(*) FROM job WHERE title_folded IS NULL"))).scalar_one()
    await database.close()
    return count
