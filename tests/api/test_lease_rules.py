"""Leased takes obey the rules of all renders: lost workers, deadlines, retries, and tickets of other processes."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.leases import claims
from coordinator.leases.files import LeaseFile
from coordinator.leases.inputs import ClaimRequest, Declared
from coordinator.renders import turns
from models.db.lease_tables import TAKE_LEASE
from models.domain.access import LOCAL
from models.domain.errors import Unavailable
from models.writes.change import Ticket
from schema.context import never_gone
from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import accepted
from tests.support.leasing import ENDED, a_lease, a_leased_job, claim, end_leases, lost
from tests.support.queries import read_scene
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

DEADLINE_SECONDS = 7_200.0
SCENE = "status attempts failure { code retryable } takes { number status failure { code } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server of the file, with three attempts for each scene."""
    async with running(tmp_path_factory.mktemp("rules"), render_deadline_seconds=DEADLINE_SECONDS) as app:
        yield app


async def claims_and_disconnects(app: App) -> None:
    """Claim as a worker that disconnects while the take is leased to it."""
    # It is asked before the search, and before the answer.
    answers = [True, False]

    async def is_gone() -> bool:
        return answers.pop()

    request = ClaimRequest(Declared("short", ("wan",)), lease_seconds=3600, wait_seconds=0)
    assert not (await app.container.coordinator.commands().claims.claim(LOCAL, request, is_gone)).granted
    assert not answers, "there was no take to be leased"


async def outlast_the_deadline(app: App, scene_id: str) -> None:
    """Let the lease of a scene have begun before its deadline."""
    async with app.container.store.write() as connection:
        claimed_at = await connection.execute(sa.select(TAKE_LEASE.c.claimed_at).where(_open_of(scene_id)))
        before = claimed_at.scalar_one() - timedelta(seconds=DEADLINE_SECONDS)
        await connection.execute(sa.update(TAKE_LEASE).where(_open_of(scene_id)).values(claimed_at=before))


def _open_of(scene_id: str) -> sa.ColumnElement[bool]:
    return (TAKE_LEASE.c.scene_id == scene_id) & TAKE_LEASE.c.ended_at.is_(None)


@pytest.mark.parametrize("ends", [Unavailable, asyncio.CancelledError])
async def test_takes_of_a_claim_that_fails_wait_again(
    app: App, monkeypatch: pytest.MonkeyPatch, ends: type[BaseException]
) -> None:
    """At once, those included that were made ready before: the worker receives an error alone, or nothing."""
    made = await a_leased_job(app, 2)
    number = itertools.count()

    async def prepared(*_: object) -> tuple[LeaseFile, ...]:
        if next(number):
            if ends is asyncio.CancelledError:
                claiming.cancel()
                await asyncio.sleep(0)
            raise Unavailable("UNAVAILABLE", "The media store does not answer.")
        return ()

    request = ClaimRequest(Declared("unlucky", ("wan",)), most=2, lease_seconds=3600, wait_seconds=0)
    with monkeypatch.context() as patch:
        patch.setattr(claims, "prepared", prepared)
        claiming = asyncio.create_task(app.container.coordinator.commands().claims.claim(LOCAL, request, never_gone))
        with pytest.raises(ends):
            await claiming
    assert next(number) == 2
    found = (await claim(app, most=2))["leases"]
    assert [(each["scene"]["id"], each["scene"]["attempts"]) for each in found] == [(each, 1) for each in made.scenes]
    await accepted(app, "cancelJob", jobId=made.id)


async def test_a_lost_lease_that_another_process_ends_is_left_to_it(app: App) -> None:
    """Two that wait for the leases of each other would end in a deadlock."""
    store = app.container.store
    if store.database.embedded:
        pytest.skip("SQLite has one writer at a time.")
    held, other = await a_leased_job(app), await a_leased_job(app)
    first, second = (await claim(app, most=2, leaseSeconds=3600))["leases"]
    assert [first["scene"]["id"], second["scene"]["id"]] == [*held.scenes, *other.scenes]

    async def is_open(made: jobs.Made) -> bool:
        async with store.read() as connection:
            return bool((await connection.execute(sa.select(TAKE_LEASE).where(_open_of(made.scenes[0])))).all())

    async def is_over(made: jobs.Made) -> bool:
        return not await is_open(made)

    async with store.write() as connection:
        await connection.execute(sa.select(TAKE_LEASE).where(_open_of(held.scenes[0])).with_for_update())
        for made in (held, other):
            await accepted(app, "cancelJob", jobId=made.id)
        await eventually(lambda: is_over(other))
        assert await is_open(held)
    await eventually(lambda: is_over(held))


async def test_a_take_that_loses_all_its_workers_fails(app: App) -> None:
    """After as many as a scene has attempts, without workers that never received the lease and those of other takes."""
    made = await a_leased_job(app)
    (scene_id,) = made.scenes
    for _ in range(3):
        await claims_and_disconnects(app)
    first = await a_lease(app)
    await end_leases(app, scene_id)
    second = await a_lease(app, "second", waitSeconds=30)
    await end_leases(app, scene_id)
    third = await a_lease(app, "third", waitSeconds=30)
    assert {lease["take"]["id"] for lease in (first, second, third)} == {first["take"]["id"]}
    assert third["scene"]["attempts"] == 1
    await end_leases(app, scene_id)
    assert await jobs.settled(app, made.id) == "FAILED"
    failed: Json = {"number": 1, "status": "FAILED", "failure": {"code": "WORKER_LOST"}}
    assert await read_scene(app, scene_id, SCENE) == {
        "status": "FAILED",
        "attempts": 1,
        "failure": {"code": "WORKER_LOST", "retryable": False},
        "takes": [failed],
    }
    assert await lost(app, third) == ["LEASE_LOST"] * 5
    await accepted(app, "regenerateScene", sceneId=scene_id)
    await a_lease(app)
    await end_leases(app, scene_id)
    again = await a_lease(app, waitSeconds=30)
    assert (again["take"]["number"], again["take"]["status"]) == (2, "PROCESSING")
    await accepted(app, "cancelJob", jobId=made.id)


async def test_deadlines_and_retries_of_leased_takes_are_those_of_renders(app: App) -> None:
    """A take that is late fails although its worker renews the lease; there are no more attempts than for others."""
    made = await a_leased_job(app)
    (scene_id,) = made.scenes
    late = await a_lease(app)
    await accepted(app, "renewLease", ENDED, token=late["token"], percentage=20)
    await outlast_the_deadline(app, scene_id)
    second = await a_lease(app, waitSeconds=30)
    assert (second["take"]["number"], second["scene"]["attempts"]) == (2, 2)
    assert await lost(app, late) == ["LEASE_LOST"] * 5
    failure = {"code": "OUT_OF_MEMORY", "message": "The GPU has 8 GB.", "retryable": True}
    await accepted(app, "failTake", ENDED, token=second["token"], failure=failure)
    third = await a_lease(app, waitSeconds=30)
    await accepted(app, "failTake", ENDED, token=third["token"], failure=failure)
    assert await jobs.settled(app, made.id) == "FAILED"
    scene = await read_scene(app, scene_id, SCENE)
    assert (scene["status"], scene["attempts"]) == ("FAILED", 3)
    assert scene["failure"] == {"code": "OUT_OF_MEMORY", "retryable": True}
    codes = {take["number"]: take["failure"]["code"] for take in scene["takes"]}
    assert codes == {1: "TIMEOUT", 2: "OUT_OF_MEMORY", 3: "OUT_OF_MEMORY"}
    assert (await claim(app))["leases"] == []


async def test_tickets_for_takes_of_leased_workers_are_dropped(app: App) -> None:
    """The reconciler of a process of an older revision makes them. The take stays with its worker, or waits for one."""
    made = await a_leased_job(app)
    (scene_id,) = made.scenes
    store, ticket = app.container.store, Ticket("leased", made.id, scene_id, 1)

    async def claimed(seconds: float) -> bool:
        return await turns.claim(store, ticket, "ours", timedelta(seconds=seconds)) is not None

    assert not await claimed(30)
    lease = await a_lease(app)
    # One process alone takes over at once what it finds; many do after the end of the lease.
    assert not await claimed(0)
    await accepted(app, "renewLease", ENDED, token=lease["token"])
    await end_leases(app, scene_id)
    assert not await claimed(30)

    async def is_waiting() -> bool:
        return (await read_scene(app, scene_id, "status"))["status"] == "PENDING"

    await eventually(is_waiting)
    assert not await claimed(30)
    assert (await a_lease(app))["take"]["id"] == lease["take"]["id"]
    await accepted(app, "cancelJob", jobId=made.id)


async def test_settings_of_a_report_in_rest_have_types(app: App) -> None:
    """The field is named, and the lease goes on."""
    made = await a_leased_job(app)
    lease = await a_lease(app)
    wrong: Json = {"model": 5, "seed": "7", "negative_prompt": [], "options": "x"}
    for name, value in wrong.items():
        body: Json = {"token": lease["token"], "settings": {name: value}}
        answer = await app.http.post("/api/v3/leases/finish", json=body)
        details = answer.json()["error"]["details"]
        assert (answer.status_code, [each["path"] for each in details]) == (422, [["settings", name]])
    await accepted(app, "renewLease", ENDED, token=lease["token"])
    await accepted(app, "cancelJob", jobId=made.id)


async def test_a_model_without_a_name_is_refused(app: App) -> None:
    """No worker could ever have it. The field is named, in jobs, scenes, reports and workers."""
    nameless: Json = {"model": "leased/"}

    async def path(name: str, **fields: Any) -> list[str]:
        ((code, path),) = [
            (error["code"], error["path"])
            for error in (await app.mutate(name, "errors { code path }", **fields))["errors"]
        ]
        assert code == "VALIDATION_FAILED"
        return path

    made = await a_leased_job(app)
    new: Json = {"provider": "leased", "title": "Kites"}
    of_scene: Json = {"prompt": "A kite", "settings": nameless}
    assert await path("createJob", **new, settings=nameless) == ["input", "settings", "model"]
    assert await path("createJob", **new, scenes=[of_scene]) == ["input", "scenes", "0", "settings", "model"]
    assert await path("updateJob", jobId=made.id, settings=nameless) == ["input", "settings", "model"]
    assert await path("updateScene", sceneId=made.scenes[0], settings=nameless) == ["input", "settings", "model"]
    lease = await a_lease(app)
    assert await path("finishTake", token=lease["token"], settings=nameless) == ["input", "settings", "model"]
    worker: Json = {"name": "gpu", "models": ["wan", "leased/"]}
    assert await path("claimTakes", worker=worker, waitSeconds=0) == ["input", "worker", "models", "1"]
    await accepted(app, "cancelJob", jobId=made.id)


async def test_invalid_fields_of_a_claim_are_named(app: App) -> None:
    """All problems at once."""
    worker: Json = {"name": "", "models": [], "labels": {}}
    payload = await app.mutate(
        "claimTakes", "errors { code path }", worker=worker, most=17, leaseSeconds=5, waitSeconds=31
    )
    assert [error["path"][1:] for error in payload["errors"]] == [
        ["worker", "name"],
        ["worker", "models"],
        ["most"],
        ["leaseSeconds"],
        ["waitSeconds"],
    ]
    assert (await claim(app))["leases"] == []
