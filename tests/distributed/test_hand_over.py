"""A server or worker that stops hands its renders over: another one continues them before any lease ends."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator import coordinator
from coordinator.queue import runner
from models.db.tables import SCENE
from providers.port import Order
from tests.support import jobs
from tests.support.database_choice import database_choice
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.fake_providers import Fake, Gate
from tests.support.os_processes import on_linux
from tests.support.postgres import Databases
from tests.support.renders import scene, single_provider
from tests.support.replicate import FakeReplicate
from tests.support.server_app import App, running
from tests.support.waiting import eventually

# No test waits for the end of a lease.
LEASE_SECONDS = 3_600
RECORD = "attempts providerId takes { number status }"


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a notification makes a server look for tickets, and nothing else puts them back."""
    monkeypatch.setattr(runner, "POLL_SECONDS", 3_600.0)
    monkeypatch.setattr(coordinator, "RECONCILE_SECONDS", 3_600.0)


@pytest.fixture
def folder(tmp_path: Path, postgres: Databases) -> Generator[Path]:
    """A folder whose servers share one Postgres database."""
    with database_choice.use(postgres):
        yield tmp_path


async def follow(one: App, first: Fake, scenes: int = 1) -> jobs.Made:
    """Make a job whose scenes the first server renders."""
    made = await jobs.make(one, *(jobs.scene(f"Scene {n}") for n in range(scenes)), provider="fake", start=True)
    await eventually(lambda: first.running == scenes)
    return made


@asynccontextmanager
async def serving(folder: Path, provider: Fake) -> AsyncGenerator[App]:
    """Run a server on the database of this folder."""
    settings: dict[str, Any] = {"provider": "external", "lease_seconds": LEASE_SECONDS}
    async with running(folder, single_provider(provider), **settings) as app:
        yield app


@pytest.mark.usefixtures("no_polling")
async def test_other_server_resumes_the_renders_of_a_stopped_server(folder: Path) -> None:
    """The same orders continue: none is canceled, submitted again, or counted as an attempt."""
    first, second = Fake(Gate().cooperative), Fake()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(folder, first))
        made = await follow(one, first, scenes=3)
        async with serving(folder, second) as other:
            await stack.aclose()
            assert await jobs.settled(other, made.id) == "COMPLETED"
            nodes = (await jobs.job(other, made.id, f"scenes {{ nodes {{ {RECORD} }} }}"))["scenes"]["nodes"]
    assert [(each["attempts"], each["takes"]) for each in nodes] == [(1, [{"number": 1, "status": "COMPLETED"}])] * 3
    assert sorted(second.followed) == sorted(first.followed) == sorted(each["providerId"] for each in nodes)
    assert (first.canceled, second.submitted) == ([], [])


@pytest.mark.usefixtures("no_polling")
async def test_render_of_a_provider_that_does_not_stop_is_handed_over(folder: Path) -> None:
    """The late result of that provider is ignored."""
    gate = Gate()
    first, second = Fake(gate.stubborn), Fake()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(folder, first))
        made = await follow(one, first)
        async with serving(folder, second) as other:
            await stack.aclose()
            assert await jobs.settled(other, made.id) == "COMPLETED"
            gate.open.set()
            await eventually(lambda: first.running == 0)
            log = [event["type"] for event in await jobs.log(other, made.id)]
    assert log.count("SCENE_COMPLETED") == 1
    assert (second.followed, second.submitted) == (first.followed, [])


@pytest.mark.usefixtures("no_polling")
async def test_order_in_flight_is_recorded_before_it_is_handed_over(folder: Path) -> None:
    """A server that stops waits for the provider's answer, so that the next server does not buy the clip again."""
    accept = asyncio.Event()

    async def answer_late(_order: Order) -> None:
        await accept.wait()

    first, second = Fake(), Fake()
    first.on_submit = answer_late
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(folder, first))
        made = await jobs.make(one, provider="fake", start=True)
        await eventually(lambda: len(first.submitted) == 1)
        async with serving(folder, second) as other:
            handing_over = one.container.coordinator.hand_over()
            # A hand-over that does not wait for the answer has canceled the order by now.
            await asyncio.sleep(0.1)
            assert not handing_over.done()
            accept.set()
            await stack.aclose()
            assert await jobs.settled(other, made.id) == "COMPLETED"
            found = await scene(other, made.id, RECORD)
    assert second.submitted == []
    assert second.followed in ([], [found["providerId"]])


async def test_order_without_an_answer_keeps_its_lease(folder: Path) -> None:
    """The provider may have accepted the order and must have time to list it before another server looks for it."""
    first = Fake()
    first.on_submit = never
    async with serving(folder, first) as one:
        await jobs.make(one, provider="fake", start=True)
        await eventually(lambda: len(first.submitted) == 1)
        store = one.container.store
        async with store.read() as connection:
            before = (await connection.execute(sa.select(SCENE.c.run, SCENE.c.lease_expires_at))).one()
    async with serving(folder, Fake()) as other, other.container.store.read() as connection:
        after = (await connection.execute(sa.select(SCENE.c.run, SCENE.c.lease_expires_at))).one()
    assert tuple(after) == tuple(before)


async def never(_order: Order) -> None:
    """Submit an order without ever getting an answer."""
    await asyncio.Event().wait()


async def test_prediction_is_neither_canceled_nor_bought_again_by_a_stop(folder: Path) -> None:
    """The next server follows the same prediction."""
    fake = FakeReplicate()
    try:
        fake.behave(hold=True)
        settings: dict[str, Any] = {**fake.settings(), "lease_seconds": LEASE_SECONDS}
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(running(folder, **settings))
            prompt = {"prompt": "A lighthouse at dusk", "durationSeconds": 1.0}
            made = await jobs.make(one, prompt, provider="replicate", start=True)
            await fake.until(looks=2)
            async with running(folder, **settings) as other:
                await stack.aclose()
                fake.command("release")
                assert await jobs.settled(other, made.id) == "COMPLETED"
                found = await scene(other, made.id, RECORD)
        assert found["attempts"] == 1
        assert [each["id"] for each in fake.predictions()] == [found["providerId"]]
        counts = fake.counts()
        assert (counts["creations"], counts.get("canceled", 0)) == (1, 0)
    finally:
        fake.stop()


@on_linux
async def test_deployment_is_rolled_out_without_a_stall(tmp_path: Path, postgres: Databases) -> None:
    """A new worker continues the renders of the old one after its SIGTERM, and the old one ends with status 0."""
    with postgres.fresh() as url:
        settings: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, "render_concurrency": 4}
        async with deployed(tmp_path, url, **settings) as deployment:
            api, old = await asyncio.gather(deployment.api(), deployment.worker("old"))
            async with client_of(api) as client:
                stalled = [jobs.scene(outcome="stall", steps=1) for _ in range(4)]
                made = await jobs.make(client, *stalled, start=True)
                await eventually(lambda: rendered(deployment, 4))
                (before,) = await workers(deployment)
                await deployment.worker("new")
                assert await asyncio.to_thread(old.stop, signal.SIGTERM) == 0
                await eventually(lambda: rendered(deployment, 4))
                (after,) = await workers(deployment)
                found = await jobs.job(client, made.id, "scenes { nodes { attempts status } }")
    assert after != before
    assert found["scenes"]["nodes"] == [{"attempts": 1, "status": "PROCESSING"}] * 4
    assert [line for line in old.log.read_text().splitlines() if " INFO " not in line] == []


async def rendered(deployment: Deployment, scenes: int) -> bool:
    """Whether this many renders run under the lease of a worker."""
    leased = "SELECT count(*) FROM scene WHERE status = 'PROCESSING' AND lease_expires_at IS NOT NULL"
    return [tuple(row) for row in await deployment.rows(leased)] == [(scenes,)]


async def workers(deployment: Deployment) -> list[str]:
    """Return the names of the workers that render."""
    return [name for (name,) in await deployment.rows("SELECT DISTINCT leased_by FROM scene")]
