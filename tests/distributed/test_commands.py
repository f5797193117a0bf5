"""What the program says when it is started in a way that cannot work, and how it brings a Postgres up to date."""

import asyncio
import re
from pathlib import Path

import pytest

from models import migrations
from tests.distributed.commands import Ended, run
from tests.support.postgres import Databases

SERVING = [["serve"], ["serve", "--processes", "2"], ["worker"]]


class TestSqlite:
    """A file is for one process."""

    async def test_it_has_no_workers(self, tmp_path: Path) -> None:
        """The server renders by itself."""
        database_url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
        assert await run("worker", database_url=database_url, port=0) == Ended(
            2, "", "scenewire: SCENEWIRE_DATABASE_URL: workers need Postgres; with SQLite, `serve` renders\n"
        )

    async def test_it_has_no_second_process(self, tmp_path: Path) -> None:
        """And says what would go wrong."""
        database_url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
        ended = await run("serve", "--processes", "2", database_url=database_url, port=0)
        assert ended == Ended(
            2,
            "",
            "scenewire: --processes needs Postgres: with SQLite, a process does not receive the changes of another one\n",
        )


class TestPostgres:
    """Many processes share it, so none of them migrates it on the way."""

    @pytest.mark.parametrize("command", SERVING, ids=" ".join)
    async def test_one_that_was_not_migrated_is_refused(self, postgres: Databases, command: list[str]) -> None:
        """With one line that says what to do."""
        with postgres.blank() as url:
            assert await run(*command, database_url=url, port=0) == Ended(
                2,
                "",
                "scenewire: SCENEWIRE_DATABASE_URL: the database is at revision none and this program needs "
                f"{migrations.newest()}; run: python -m server migrate\n",
            )

    @pytest.mark.parametrize("command", SERVING, ids=" ".join)
    async def test_one_that_is_not_there_is_told(self, tmp_path: Path, command: list[str]) -> None:
        """It may come, so that this is no mistake in the settings: whoever started the program starts it again."""
        ended = await run(*command, database_url=f"postgresql+asyncpg://postgres@/x?host={tmp_path}", port=0)
        assert (ended.status, ended.out) == (1, "")
        (line,) = ended.err.splitlines()
        assert re.search(r" ERROR   \[\d+\] scenewire: SCENEWIRE_DATABASE_URL: The database does not answer\.$", line)

    async def test_migrate_brings_it_up_to_date(self, postgres: Databases) -> None:
        """However many are told to at once; then there is nothing left to do, and it can be used."""
        with postgres.blank() as url:
            newest = migrations.newest()
            told = await asyncio.gather(*(run("migrate", database_url=url) for _ in range(3)))
            assert {(ended.status, ended.err) for ended in told} == {(0, "")}
            assert f"Migrated to revision {newest}.\n" in {ended.out for ended in told}
            assert await run("migrate", database_url=url) == Ended(0, f"Already at revision {newest}.\n", "")
