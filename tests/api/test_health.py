"""What an operator's machinery asks: is it alive, is it ready."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.database_choice import database_choice
from tests.support.server_app import App

pytestmark = pytest.mark.both_databases


@contextmanager
def moved_away(database: Path) -> Generator[None]:
    """The database cannot be opened meanwhile: where it was there is a folder."""
    away = database.parent / "away"
    away.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.move(file, away)
    database.mkdir()
    try:
        yield
    finally:
        database.rmdir()
        for file in away.iterdir():
            shutil.move(file, database.parent)


async def probe(app: App, path: str) -> tuple[int, object]:
    """Status and body."""
    answer = await app.http.get(path)
    return answer.status_code, answer.json()


async def test_alive_and_ready(app: App) -> None:
    """The database answers, and the queue hands out work."""
    assert await probe(app, "/healthz") == (200, {"status": "ok"})
    assert await probe(app, "/readyz") == (200, {"status": "ok", "database": True, "queue": True})


async def test_without_its_database_it_is_alive_but_not_ready(app: App, tmp_path: Path) -> None:
    """Until the database is back; nothing has to be started again."""
    if database_choice.distributed:
        pytest.skip("a Postgres is taken away for real in tests/faults")
    await app.container.database.reader.dispose()
    with moved_away(tmp_path / "test.db"):
        assert await probe(app, "/readyz") == (503, {"status": "unavailable", "database": False, "queue": True})
        assert await probe(app, "/healthz") == (200, {"status": "ok"})
    assert await probe(app, "/readyz") == (200, {"status": "ok", "database": True, "queue": True})


async def test_without_its_queue_it_is_not_ready(app: App) -> None:
    """Nobody would render what is asked for."""
    await app.container.coordinator.stop()
    assert await probe(app, "/readyz") == (503, {"status": "unavailable", "database": True, "queue": False})


async def test_the_bare_address_leads_to_the_explorer(app: App) -> None:
    """For somebody who was given host and port alone."""
    answer = await app.http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/graphql")
