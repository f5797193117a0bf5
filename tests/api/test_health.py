"""Health routes: liveness and readiness."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.database_choice import database_choice
from tests.support.server_app import App
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_databases


@contextmanager
def unavailable(database: Path) -> Generator[None]:
    """Make the database file impossible to open: a folder takes its place."""
    moved = database.parent / "moved"
    moved.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.move(file, moved)
    database.mkdir()
    try:
        yield
    finally:
        database.rmdir()
        for file in moved.iterdir():
            # A connection that was still open may have made files beside the folder.
            file.replace(database.parent / file.name)


async def probe(app: App, path: str) -> tuple[int, object]:
    """Return status and body."""
    answer = await app.http.get(path)
    return answer.status_code, answer.json()


async def test_running_server_is_alive_and_ready(app: App) -> None:
    """The database answers and the queue runs."""
    assert await probe(app, "/healthz") == (200, {"status": "ok"})
    assert await probe(app, "/readyz") == (200, {"status": "ok", "database": True, "queue": True, "media": True})


async def test_server_without_database_is_alive_but_not_ready(app: App, tmp_path: Path) -> None:
    """Until the database is available again, without a restart."""
    if database_choice.distributed:
        pytest.skip("tests/faults stops a real Postgres server")
    database = app.container.database
    unready = (503, {"status": "unavailable", "database": False, "queue": True, "media": True})

    async def is_unready() -> bool:
        # A connection that was in use when the file was moved still reads it.
        await database.readers.close_idle()
        await database.reader.dispose()
        return await probe(app, "/readyz") == unready

    with unavailable(tmp_path / "test.db"):
        await eventually(is_unready)
        assert await probe(app, "/healthz") == (200, {"status": "ok"})
    assert await probe(app, "/readyz") == (200, {"status": "ok", "database": True, "queue": True, "media": True})


async def test_server_without_queue_is_not_ready(app: App) -> None:
    """It would not render."""
    await app.container.coordinator.stop()
    assert await probe(app, "/readyz") == (
        503,
        {"status": "unavailable", "database": True, "queue": False, "media": True},
    )


async def test_root_path_redirects_to_the_explorer(app: App) -> None:
    """For a browser that is given host and port alone."""
    answer = await app.http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/graphql")
