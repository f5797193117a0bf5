"""Claims of leased workers that wait for takes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from coordinator.leases.inputs import ClaimRequest, Declared
from models.domain.access import LOCAL
from tests.support.client import Client
from tests.support.factories import accepted
from tests.support.leasing import ENDED, a_lease, a_leased_job, claim
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest_asyncio.fixture(loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server whose stop a test can see."""
    async with running(tmp_path_factory.mktemp("polls"), retry_first_seconds=0.3) as app:
        yield app


async def waits(app: App, worker: str) -> bool:
    """Whether a worker has asked for takes."""
    found = await app.execute("{ workers { name } }")
    return worker in [each["name"] for each in found["workers"]]


async def test_each_waiting_worker_gets_a_take_of_a_new_job(app: App) -> None:
    """And a worker of another model is left waiting."""
    names = [f"gpu-{number}" for number in range(4)]
    claims = [asyncio.create_task(a_lease(app, name, waitSeconds=30)) for name in names]
    other = asyncio.create_task(claim(app, "other", "ltx", waitSeconds=1))
    for name in (*names, "other"):
        await eventually(lambda name=name: waits(app, name))
    made = await a_leased_job(app, 4, settings={"model": "wan"})
    found = [await each for each in claims]
    assert sorted(lease["scene"]["id"] for lease in found) == sorted(made.scenes)
    assert (await other)["leases"] == []


async def test_a_waiting_worker_gets_a_retry_when_its_pause_is_over(app: App) -> None:
    """No notification is sent then: the request knows when to look."""
    await a_leased_job(app)
    lease = await a_lease(app)
    failure = {"code": "X", "message": "x", "retryable": True}
    await accepted(app, "failTake", ENDED, token=lease["token"], failure=failure)
    again = await a_lease(app, waitSeconds=30)
    assert again["take"]["number"] == 2


async def claim_over_websocket(worker: Client, name: str) -> None:
    document = """mutation($name: String!) {
        claimTakes(input: {worker: {name: $name, models: ["wan"]}, waitSeconds: 30, leaseSeconds: 3600}) {
            leases { expiresAt }
        }
    }"""
    async with worker.subscribe(document, name=name) as stream:
        await stream.next()


@pytest.mark.parametrize("api", ["GraphQL", "websocket", "REST"])
async def test_a_worker_that_has_gone_gets_nothing(app: App, api: str) -> None:
    """Its connection is closed while it waits; the take goes to the next worker, not to a lease of an hour."""
    gone = Client(app.url)
    name = f"gone-{api}"
    try:
        await claim(gone)
        if api == "websocket":
            waiting = asyncio.create_task(claim_over_websocket(gone, name))
        elif api == "GraphQL":
            waiting = asyncio.create_task(claim(gone, name, waitSeconds=30, leaseSeconds=3600))
        else:
            body = {"worker": {"name": name, "models": ["wan"]}, "wait_seconds": 30, "lease_seconds": 3600}
            waiting = asyncio.create_task(gone.http.post("/api/v3/leases/claim", json=body))
        await eventually(lambda: waits(app, name))
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    finally:
        await gone.close()
    made = await a_leased_job(app)
    lease = await a_lease(app, "stays", waitSeconds=30)
    assert (lease["scene"]["id"], lease["scene"]["attempts"]) == (made.scenes[0], 1)
    await accepted(app, "cancelJob", jobId=made.id)


async def test_a_take_of_a_worker_that_goes_while_it_is_leased_waits_again(app: App) -> None:
    """At once, and its attempt is not used up."""
    made = await a_leased_job(app, 2)
    # It is asked before the search, and before the answer.
    answers = iter([False, True])

    async def is_gone() -> bool:
        return next(answers)

    request = ClaimRequest(Declared("short", ("wan",)), most=2, lease_seconds=3600, wait_seconds=0)
    claimed = await app.container.coordinator.commands().claims.claim(LOCAL, request, is_gone)
    assert (claimed.granted, claimed.passed_over) == ([], [])
    found = (await claim(app, "stays", most=2))["leases"]
    assert [(lease["scene"]["id"], lease["scene"]["attempts"]) for lease in found] == [
        (scene_id, 1) for scene_id in made.scenes
    ]
    await accepted(app, "cancelJob", jobId=made.id)


async def test_a_stop_answers_those_that_wait(app: App) -> None:
    """With nothing; the worker asks the next process."""
    waiting = asyncio.create_task(claim(app, "polling", waitSeconds=30))
    await eventually(lambda: waits(app, "polling"))
    app.container.coordinator.hand_over()
    assert await waiting == {"leases": [], "passedOver": []}
