"""A server or worker that stops hands its renders over: another one goes on with them before any lease ends."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.queue import runner
from models.db.tables import SCENE
from tests.support import jobs
from tests.support.client import Client
from tests.support.database_choice import database_choice
from tests.support.fake_providers import Fake, Gate
from tests.support.postgres import Databases
from tests.support.renders import scene, single_provider
from tests.support.server_app import App, running
from tests.support.waiting import eventually

# Nothing in these tests can wait for the end of a lease.
LEASE_SECONDS = 3_600
RECORD = "status attempts providerId takes { number status }"


@pytest.fixture(autouse=True)
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a notification makes a worker look for tickets."""
    monkeypatch.setattr(runner, "POLL_SECONDS", 3_600.0)


@pytest.fixture
def folders(tmp_path: Path, postgres: Databases) -> Generator[Path]:
    """A folder whose servers share one Postgres database."""
    with database_choice.use(postgres):
        yield tmp_path


@asynccontextmanager
async def two_servers(folder: Path, first: Fake, second: Fake) -> AsyncGenerator[tuple[App, AsyncExitStack, App]]:
    """Run two servers on one database; the stack stops the first one."""
    async with AsyncExitStack() as stack:
        usual: dict[str, Any] = {"provider": "external", "lease_seconds": LEASE_SECONDS}
        one = await stack.enter_async_context(running(folder, single_provider(first), **usual))
        async with running(folder, single_provider(second), **usual) as other:
            yield one, stack, other


async def assert_recorded_once(client: Client, job_id: str, provider_id: str) -> None:
    """The first take is completed by the first order, in one attempt."""
    assert await jobs.settled(client, job_id) == "COMPLETED"
    assert await scene(client, job_id, RECORD) == {
        "status": "COMPLETED",
        "attempts": 1,
        "providerId": provider_id,
        "takes": [{"number": 1, "status": "COMPLETED"}],
    }


async def test_other_server_resumes_the_renders_of_a_stopped_server(folders: Path) -> None:
    """At once, with the same orders: none is canceled, submitted again, or counted as an attempt."""
    first, second = Fake(Gate().cooperative), Fake()
    async with running_first(folders, first) as (one, stop):
        made = await jobs.make(one, *(jobs.scene(f"Scene {n}") for n in range(3)), provider="fake", start=True)
        await eventually(lambda: first.running == 3)
        async with running(folders, single_provider(second), provider="external", lease_seconds=LEASE_SECONDS) as other:
            await stop.aclose()
            assert await jobs.settled(other, made.id) == "COMPLETED"
            nodes = (await jobs.job(other, made.id, f"scenes {{ nodes {{ {RECORD} }} }}"))["scenes"]["nodes"]
    assert [(each["attempts"], len(each["takes"])) for each in nodes] == [(1, 1)] * 3
    assert sorted(second.followed) == sorted(first.followed) == sorted(each["providerId"] for each in nodes)
    assert (first.canceled, second.submitted) == ([], [])


@asynccontextmanager
async def running_first(folder: Path, provider: Fake) -> AsyncGenerator[tuple[App, AsyncExitStack]]:
    """Run a server; the stack stops it before the end of the block."""
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {"provider": "external", "lease_seconds": LEASE_SECONDS}
        yield await stack.enter_async_context(running(folder, single_provider(provider), **settings)), stack


async def lease_of(app: App) -> tuple[str | None, object]:
    """Return the provider id and the end of the lease of the only scene."""
    async with app.container.store.read() as connection:
        return (await connection.execute(sa.select(SCENE.c.provider_id, SCENE.c.lease_expires_at))).one()._tuple()
