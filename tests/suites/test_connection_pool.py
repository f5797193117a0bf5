"""The pool of the queue: a release that fails after its caller was cancelled leaves no unretrieved error."""

import asyncio
import gc
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
import pytest

from coordinator.queue.connection_pool import ConnectionPool
from models.db.database import Database
from tests.support.postgres import Databases


async def test_failed_release_of_a_cancelled_caller_is_not_logged(
    postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a server stops while a connection is being released and then terminated."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    resetting, lost = asyncio.Event(), asyncio.Event()

    async def fail_later(*_: object, **__: object) -> None:
        resetting.set()
        await lost.wait()
        raise ConnectionError("the connection is lost")

    with postgres.fresh() as url:
        database = Database(url)
        pool: Any = ConnectionPool(1, **database.connect_arguments("queue"))
        await pool
        monkeypatch.setattr(asyncpg.Connection, "reset", fail_later)
        fetching: asyncio.Task[Any] = asyncio.create_task(pool.fetch("SELECT 1"))
        await resetting.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        lost.set()
        await asyncio.sleep(0)
        pool.terminate()
        for _ in range(10):
            await asyncio.sleep(0)
        await database.close()
    del fetching
    gc.collect()
    assert unhandled == []
