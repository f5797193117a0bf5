"""Commands that refuse to start, and the migration of a Postgres database."""

import asyncio
import re
from pathlib import Path

import pytest

from models import migrations
from tests.support.cli import Ended, run
from tests.support.postgres import Databases

COMMANDS = [["serve"], ["serve", "--processes", "2"], ["worker"]]


class TestSqlite:
    """An SQLite file is for one process."""

    async def test_worker_with_sqlite_is_refused(self, tmp_path: Path) -> None:
        """The server renders."""
        database_url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
        assert await run("worker", database_url=database_url, port=0) == Ended(
            2, "", "scenewire: SCENEWIRE_DATABASE_URL: workers need Postgres; with SQLite, `serve` renders\n"
        )

    async def test_second_process_with_sqlite_is_refused(self, tmp_path: Path) -> None:
        """With the reason."""
        database_url = f"sqlite+aiosqlite:///{tmp_path / 'x.db'}"
        ended = await run("serve", "--processes", "2", database_url=database_url, port=0)
        assert ended == Ended(
            2,
            "",
            "scenewire: --processes needs Postgres: with SQLite, a process does not receive the changes of another "
            "one\n",
        )


class TestPostgres:
    """Many processes share the database, so none of them migrates it at its start."""

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    async def test_database_without_migrations_is_refused(self, postgres: Databases, command: list[str]) -> None:
        """The message contains the command that migrates it."""
        with postgres.blank() as url:
            assert await run(*command, database_url=url, port=0) == Ended(
                2,
                "",
                "scenewire: SCENEWIRE_DATABASE_URL: the database is at revision none and this program needs "
                f"{migrations.newest()}; run: python -m server migrate\n",
            )

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    async def test_unavailable_database_has_exit_status_1(self, tmp_path: Path, command: list[str]) -> None:
        """It may become available, so it is not an invalid setting: a process manager starts the command again."""
        ended = await run(*command, database_url=f"postgresql+asyncpg://postgres@/x?host={tmp_path}", port=0)
        assert (ended.status, ended.out) == (1, "")
        (line,) = ended.err.splitlines()
        assert re.search(
            r" ERROR   \[\d+\] scenewire: \[server.not_started\] SCENEWIRE_DATABASE_URL: .* does not answer\.$", line
        )

    async def test_concurrent_migrate_commands_migrate_the_database_once(self, postgres: Databases) -> None:
        """All succeed; a later run changes nothing."""
        with postgres.blank() as url:
            newest = migrations.newest()
            runs = await asyncio.gather(*(run("migrate", database_url=url) for _ in range(3)))
            assert {(ended.status, ended.err) for ended in runs} == {(0, "")}
            assert f"Migrated to revision {newest}.\n" in {ended.out for ended in runs}
            assert await run("migrate", database_url=url) == Ended(0, f"Already at revision {newest}.\n", "")
