"""The schema that the migrations make is that of the tables."""

from collections.abc import Generator
from pathlib import Path

import pytest
from alembic import command

from models import migrations
from models.db.database import Database
from models.migrations.run import config
from tests.support.postgres import Databases


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/new.db"
    else:
        databases: Databases = request.getfixturevalue("postgres")
        with databases.blank() as blank:
            yield blank


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_migrations_make_the_tables_with_their_columns_and_indexes(url: str) -> None:
    """Alembic, which writes new migrations from the differences, finds none."""
    database = Database(url)
    await migrations.upgrade(database)
    async with database.maintenance.connect() as connection:
        await connection.run_sync(lambda each: command.check(config(each)))
    await database.close()
