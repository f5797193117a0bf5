"""The connections of failed reads: closed at once, and used by nothing again."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.snapshot import Snapshot
from models.db.statements import Statement
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


def wrong(env: Domain) -> Statement:
    """Return a statement that the database refuses."""
    return Statement(env.store.database.kind, sa.select(sa.literal_column("nothing")))


async def driver_of(snapshot: Snapshot) -> Any:
    async with snapshot.read() as connection:
        return (await connection.get_raw_connection()).driver_connection


async def test_connection_of_a_failed_read_is_closed(env: Domain) -> None:
    """Nothing uses it again; the one of a successful answer is used again."""
    database = env.store.database
    snapshot = Snapshot(database)
    async with snapshot.answering():
        first = await driver_of(snapshot)
    async with snapshot.answering():
        assert await driver_of(snapshot) is first
        with pytest.raises(Exception, match="nothing"):
            await snapshot.fetch(wrong(env), {})
    if database.embedded:
        with pytest.raises(ValueError, match="no active connection"):
            _ = first.file
    else:
        assert first.is_closed()
    async with snapshot.answering():
        assert await driver_of(snapshot) is not first


async def test_connection_of_a_failed_read_outside_an_answer_is_closed(env: Domain) -> None:
    """One that other code interrupted with an error of its own is used again."""
    database = env.store.database
    used: list[Any] = []

    async def read(text: str) -> None:
        async with database.read() as connection:
            used.append((await connection.get_raw_connection()).driver_connection)
            await connection.exec_driver_sql(text)
            raise ValueError("of other code")

    with pytest.raises(ValueError, match="of other code"):
        await read("SELECT 1")
    with pytest.raises(DBAPIError, match="nothing"):
        await read("SELECT nothing")
    with pytest.raises(ValueError, match="of other code"):
        await read("SELECT 1")
    assert used[0] is used[1]
    assert used[1] is not used[2]


async def test_connection_of_a_failed_read_is_closed_without_the_server(
    env: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not respond would not confirm the end of its session."""
    if not database_choice.distributed:
        pytest.skip("about a server")
    closings: list[object] = []

    async def close(connection: Any, **_: object) -> None:
        if not connection.is_closed():
            closings.append(connection)

    monkeypatch.setattr(asyncpg.Connection, "close", close)
    database = env.store.database
    snapshot = Snapshot(database)
    async with snapshot.answering():
        driver = await driver_of(snapshot)
        with pytest.raises(Exception, match="nothing"):
            await snapshot.fetch(wrong(env), {})
        assert driver.is_closed()
    assert driver not in closings
