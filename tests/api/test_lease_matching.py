"""Which takes a leased worker gets: by models and labels, in the turns of owners and jobs, and not those of others."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.bus.port import LeasedWork, Message
from models.db.tables import SCENE
from models.reads.lines import head_statement
from tests.support import jobs
from tests.support.asset_files import a_ready_asset, at, picture
from tests.support.client import Client, Json
from tests.support.factories import accepted
from tests.support.leasing import ENDED, a_lease, a_leased_job, add_waiting, claim, lost
from tests.support.property_settings import scaled
from tests.support.queries import read_scene
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server, whose clients show tokens; at most three leased takes are rendered at once."""
    async with production_server(tmp_path_factory.mktemp("matching"), provider_concurrency={"leased": 3}) as server:
        yield server


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def empty_queue(server: ProductionServer) -> AsyncGenerator[None]:
    """No test sees the takes of another."""
    yield
    admin = server.user("ada", "admin")
    for job in (await admin.execute("{ jobs(filter: {status: [PROCESSING]}) { nodes { id } } }"))["jobs"]["nodes"]:
        await accepted(admin, "cancelJob", jobId=job["id"])


async def why(client: Client, made: jobs.Made) -> str | None:
    """Return why no worker can lease the first scene of a job."""
    return (await read_scene(client, made.scenes[0], "waitingFor"))["waitingFor"]


async def test_models_and_labels_decide_what_a_worker_gets(server: ProductionServer) -> None:
    """The model may be named by its id; labels are those of the scene before those of the job."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    plain = await a_leased_job(owner)
    wan = await a_leased_job(owner, settings={"model": "leased/wan"})
    big = await a_leased_job(owner, settings={"model": "wan"}, metadata={"worker": {"memory": 80}})
    assert (await a_lease(worker, "one", "ltx"))["scene"]["id"] == plain.scenes[0]
    nothing = await claim(worker, "one", "ltx")
    assert nothing == {"leases": [], "passedOver": [{"reason": "no such model", "takes": 2}]}
    assert (await a_lease(worker, "two", "ltx", "leased/wan"))["scene"]["id"] == wan.scenes[0]
    for labels in ({}, {"memory": 24}, {"memory": True}):
        found = await claim(worker, "three", "wan", worker={"labels": labels})
        assert found == {"leases": [], "passedOver": [{"reason": "other labels are required", "takes": 1}]}
    lease = await a_lease(worker, "three", "wan", worker={"labels": {"memory": 80, "site": "home"}})
    assert lease["scene"]["id"] == big.scenes[0]


async def test_what_a_waiting_take_requires_can_be_edited(server: ProductionServer) -> None:
    """In the job and in the scene; what is said of the wait follows, and a worker that could is found."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    await claim(worker, "known", "rare-1", "rare-2")
    made = await a_leased_job(owner, settings={"model": "unheard-of"})
    assert await why(owner, made) == "no worker has the model"
    await accepted(owner, "updateJob", jobId=made.id, settings={"model": "rare-1"})
    assert await why(owner, made) is None
    await accepted(owner, "updateScene", sceneId=made.scenes[0], metadata={"worker": {"site": "moon"}})
    assert await why(owner, made) == "no worker has the labels"
    await claim(worker, "known", "rare-1", worker={"labels": {"site": "moon"}, "unhealthyReason": "It is hot."})
    assert await why(owner, made) == "all workers that fit are unhealthy"
    assert (await claim(worker, "known", "rare-1", worker={"labels": {"site": "moon"}}))["leases"]
    assert await why(owner, made) is None


async def test_compatible_work_is_found_behind_any_amount_of_other_work(server: ProductionServer) -> None:
    """10,000 takes of another model (fewer in `make test`), in few jobs and in many; no statement lists all of them."""
    few, many = scaled(25), scaled(5_000)
    owner, other, worker = server.user("olga"), server.user("otto"), server.user("wim", "worker")
    await add_waiting(server.app, await a_leased_job(owner, settings={"model": "ltx"}), few, 200)
    await add_waiting(server.app, await a_leased_job(other, settings={"model": "ltx"}), many, 1)
    made = await a_leased_job(owner, settings={"model": "wan"})
    found = await claim(worker, "two", "wan", most=3)
    assert [lease["scene"]["id"] for lease in found["leases"]] == made.scenes
    nothing = await claim(worker, "two", "wan")
    assert nothing == {
        "leases": [],
        "passedOver": [{"reason": "no such model", "takes": min(10_000, few * 200 + many + 2)}],
    }
    store = server.app.container.store
    if store.database.embedded:
        async with store.read() as connection:
            text = str(head_statement(of_owner=False).compile(connection.engine.sync_engine, compile_kwargs={}))
            names = {"line": "x", "due": "2026-01-01", "owner": "x"}
            plan = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {text}", tuple(names.get(each, "PENDING") for each in ("due",) * text.count("?"))
            )
            assert not [row for row in plan if "SCAN" in row.detail]
    async with store.write() as connection:
        await connection.execute(sa.update(SCENE).values(queued_at=None).where(SCENE.c.job_id != made.id))


async def test_inputs_come_with_the_lease(server: ProductionServer) -> None:
    """In their order, under addresses that need no token: the worker sees neither the assets nor the job."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    files = {"FIRST_FRAME": picture(colour="orange"), "REFERENCE": picture(colour="blue")}
    assets = {role: await a_ready_asset(owner, file) for role, file in files.items()}
    inputs: list[Json] = [{"role": role, "assetId": asset["id"]} for role, asset in assets.items()]
    inputs[1]["name"] = "kite"
    scene = {"prompt": "A kite", "durationSeconds": 1.0, "inputs": inputs}
    await jobs.make(owner, scene, provider="leased", start=True)
    lease = await a_lease(worker)
    assert [each["role"] for each in lease["inputs"]] == [*files]
    assert [(each["role"], each["name"]) for each in lease["files"]] == [("FIRST_FRAME", None), ("REFERENCE", "kite")]
    await accepted(worker, "releaseTake", ENDED, token=lease["token"])
    body = {"worker": {"name": "shell", "models": ["wan"]}, "wait_seconds": 0}
    (again,) = (await worker.http.post("/api/v3/leases/claim", json=body)).json()["data"]["leases"]
    described = [(each["role"], each["content_type"], each["size_bytes"]) for each in again["files"]]
    assert described == [(role, file.content_type, len(file.content)) for role, file in files.items()]
    urls = [[each["media"]["url"] for each in lease["files"]], [each["url"] for each in again["files"]]]
    async with httpx.AsyncClient() as anybody:
        for addresses in urls:
            answers = [await anybody.get(at(worker, address)) for address in addresses]
            assert [answer.content for answer in answers] == [file.content for file in files.values()]
    seen = "{ assets { totalCount } }"
    assert await worker.execute(seen) == {"assets": {"totalCount": 0}}


async def test_owners_and_their_jobs_take_turns(server: ProductionServer) -> None:
    """Whatever their takes require, and although one was there before with all of its jobs."""
    first, second, worker = server.user("olga"), server.user("sam"), server.user("wim", "worker")
    await a_leased_job(first, 3, settings={"model": "wan"})
    await a_leased_job(first, 3, settings={"model": "ltx"})
    await a_leased_job(second, 3)
    leases: list[Json] = []
    for _ in range(6):
        lease = await a_lease(worker, "both", "wan", "ltx")
        await accepted(worker, "failTake", ENDED, token=lease["token"], failure={"code": "X", "message": "x"})
        leases.append(lease)
    admin = server.user("ada", "admin")
    owners: list[str] = []
    for lease in leases:
        job = await jobs.job(admin, lease["scene"]["jobId"], "ownerId")
        owners.append(job["ownerId"])
    assert sorted([owners[:2], owners[2:4], owners[4:]]) == [owners[:2]] * 3
    models = [lease["settings"]["model"] for lease, owner in zip(leases, owners, strict=True) if owner == "olga"]
    assert models[0] != models[1]


async def test_the_limit_of_the_provider_holds(server: ProductionServer) -> None:
    """For concurrent claims, and until a take is given back."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    await a_leased_job(owner, 6)
    found = await asyncio.gather(*(claim(worker, f"gpu-{number}", most=2) for number in range(4)))
    leases = [lease for payload in found for lease in payload["leases"]]
    assert len(leases) == 3
    limited = await claim(worker)
    reason = "the limit of concurrent leased takes is reached"
    assert limited == {"leases": [], "passedOver": [{"reason": reason, "takes": 3}]}
    await accepted(worker, "releaseTake", ENDED, token=leases[0]["token"])
    await a_lease(worker)
    received: list[Message] = []
    stop_listening = server.app.container.bus.listen(received.append)
    await accepted(worker, "failTake", ENDED, token=leases[1]["token"], failure={"code": "X", "message": "x"})
    stop_listening()
    # Nothing new waits, but requests that the limit keeps waiting look again.
    assert any(isinstance(each, LeasedWork) for each in received)
    await a_lease(worker)


async def test_an_unhealthy_worker_gets_nothing(server: ProductionServer) -> None:
    """The response gives the reason, and the worker is shown with it."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    await a_leased_job(owner)
    ill: Json = {"worker": {"unhealthyReason": "It is hot."}}
    reason = "the worker says that it is unhealthy"
    assert await claim(worker, "ill", **ill) == {"leases": [], "passedOver": [{"reason": reason, "takes": 1}]}
    shown = (await worker.execute("{ workers { name health reason } }"))["workers"]
    assert {"name": "ill", "health": "UNHEALTHY", "reason": "It is hot."} in shown
    await a_lease(worker, "ill")
    assert {"name": "ill", "health": "BUSY", "reason": None} in (
        await worker.execute("{ workers { name health reason } }")
    )["workers"]


class TestRights:
    """Who may lease what, and who sees it."""

    async def test_users_lease_takes_of_their_own_jobs(self, server: ProductionServer) -> None:
        """Not those of others, of whose number they learn nothing."""
        owner, stranger = server.user("olga"), server.user("sam")
        made = await a_leased_job(owner)
        assert await claim(stranger) == {"leases": [], "passedOver": []}
        assert (await a_lease(owner))["scene"]["id"] == made.scenes[0]

    async def test_a_worker_sees_leased_takes_by_its_leases_alone(self, server: ProductionServer) -> None:
        """Not the job, and no other scene of it; before, while and after it renders."""
        owner, worker = server.user("olga"), server.user("wim", "worker")
        made = await a_leased_job(owner, 2)
        everything = f"""{{ job(id: "{made.id}") {{ id }} scene(id: "{made.scenes[0]}") {{ id }}
            other: scene(id: "{made.scenes[1]}") {{ id }} jobs {{ totalCount }} }}"""
        hidden: dict[str, Any] = {"job": None, "scene": None, "other": None, "jobs": {"totalCount": 0}}
        assert await worker.execute(everything) == hidden
        lease = await a_lease(worker)
        assert (lease["prompt"], lease["scene"]["status"]) == ("Scene 0", "PROCESSING")
        assert await worker.execute(everything) == hidden
        assert await worker.execute(f'{{ node(id: "{lease["take"]["id"]}") {{ id }} }}') == {"node": None}
        payload = await worker.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], status="COMPLETED")
        assert payload == {"errors": [{"code": "NOT_FOUND"}]}

    async def test_a_lease_is_that_of_its_principal(self, server: ProductionServer) -> None:
        """A token in the hands of another worker is lost, as one that does not exist."""
        owner, worker = server.user("olga"), server.user("wim", "worker")
        made = await a_leased_job(owner)
        lease = await a_lease(worker)
        for other in (server.user("otto", "worker"), server.user("sam"), owner):
            assert await lost(other, lease) == ["LEASE_LOST"] * 5
        renewed = await accepted(worker, "renewLease", ENDED, token=lease["token"])
        assert renewed["lease"]["token"] == lease["token"]
        assert (await read_scene(owner, made.scenes[0], "status"))["status"] == "PROCESSING"

    async def test_models_of_workers_of_users_are_not_listed_for_others(self, server: ProductionServer) -> None:
        """Who could not use them. Those of workers that serve all owners are in the catalogue."""
        owner, stranger, worker = server.user("olga"), server.user("sam"), server.user("wim", "worker")
        await claim(owner, "home", "secret")
        await claim(worker, "shared", "public")

        async def listed() -> set[str]:
            return {each["id"] for each in (await stranger.execute("{ models { id } }"))["models"]}

        async def is_listed() -> bool:
            return "leased/public" in await listed()

        await eventually(is_listed)
        assert "leased/secret" not in await listed()

    async def test_a_principal_that_is_no_worker_any_more_loses_its_leases(self, server: ProductionServer) -> None:
        """Also when it has asked for takes of its own since, under the same name."""
        owner, worker, user = server.user("olga"), server.user("vera", "worker"), server.user("vera")
        await a_leased_job(owner)
        lease = await a_lease(worker)
        await claim(user)
        assert await lost(user, lease) == ["LEASE_LOST"] * 5
        renewed = await accepted(worker, "renewLease", ENDED, token=lease["token"])
        assert renewed["lease"]["token"] == lease["token"]

    async def test_workers_are_visible_to_those_whose_takes_they_have(self, server: ProductionServer) -> None:
        """With the leases on these, and never with a token."""
        owner, stranger, worker = server.user("nora"), server.user("nils"), server.user("wim", "worker")
        await claim(worker, "shown")
        selection = "{ workers { id name health leases { token take { id } clip { url } } } }"
        assert (await owner.execute(selection))["workers"] == []
        await a_leased_job(owner)
        lease = await a_lease(worker, "shown")
        (seen,) = (await owner.execute(selection))["workers"]
        assert (seen["name"], seen["health"]) == ("shown", "BUSY")
        assert seen["leases"] == [{"token": None, "take": {"id": lease["take"]["id"]}, "clip": None}]
        node = f'{{ node(id: "{seen["id"]}") {{ id }} }}'
        assert await owner.execute(node) == {"node": {"id": seen["id"]}}
        assert await stranger.execute(node) == {"node": None}
        assert (await stranger.execute(selection))["workers"] == []
