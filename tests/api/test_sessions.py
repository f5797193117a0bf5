"""What is open ends with the right to it: when a token expires or is revoked, and when a job is no longer one's own."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from coordinator.bus.port import Resync
from models.db.tables import JOB
from models.reads import revocations
from models.writes.store import now
from tests.support import jobs
from tests.support.client import Client
from tests.support.factories import a_job
from tests.support.tokens import ProductionServer, production_server, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

WITHIN_SECONDS = 5.0
EVENTS = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }"
PROGRESS = "subscription($id: ID!) { jobProgress(jobId: $id) { total } }"
SCENE = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { id } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server."""
    async with production_server(tmp_path_factory.mktemp("sessions")) as made:
        yield made


@asynccontextmanager
async def socket_of(place: ProductionServer, bearer: str) -> AsyncGenerator[ClientConnection]:
    """An initialised socket."""
    address = f"ws{place.app.url.removeprefix('http')}/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {bearer}"}}
        await socket.send(json.dumps(init))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        yield socket


async def closed(socket: ClientConnection, within_seconds: float = WITHIN_SECONDS) -> tuple[int | None, str | None]:
    """How and why the server closes it."""
    async with asyncio.timeout(within_seconds):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def revoke(place: ProductionServer, subject: str) -> None:
    """As the command does."""
    async with place.app.container.store.write() as connection:
        await revocations.revoke(connection, subject, now())


@asynccontextmanager
async def stream_of(client: Client, job_id: str) -> AsyncGenerator[asyncio.Task[str]]:
    """An event stream that has begun; the task ends with it and answers what came."""
    begun = asyncio.Event()

    async def read() -> str:
        body = {"query": EVENTS, "variables": {"id": job_id}}
        said = ""
        async with client.http.stream("POST", "/graphql", json=body, headers={"accept": "text/event-stream"}) as answer:
            async for piece in answer.aiter_text():
                said += piece
                if "JobSnapshot" in said:
                    begun.set()
        return said

    task = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), WITHIN_SECONDS)
    yield task
    task.cancel()


async def test_a_token_that_expires_ends_its_sockets_and_streams(place: ProductionServer) -> None:
    """To the second; those of others go on. It opens nothing any more."""
    amy, ben = place.user("amy"), place.user("ben")
    made = await a_job(amy, "One")
    short = token("amy", lasts=1.2)
    expires_at = time.time() + 1.2
    async with (
        socket_of(place, short) as socket,
        ben.subscribe("subscription { jobsUpdated { id } }") as other,
        stream_of(place.client(short), made.id) as stream,
    ):
        assert await closed(socket) == (4403, "The token has expired.")
        said = await asyncio.wait_for(stream, WITHIN_SECONDS)
        assert abs(time.time() - expires_at) < 1.0
        # Not completed: it was cut off, and who comes back with a new token goes on where it was.
        assert "event: complete" not in said
        assert (await place.client(short).http.post("/graphql", json={"query": "{ __typename }"})).status_code == 401
        theirs = await a_job(ben, "One")
        assert (await other.next())["jobsUpdated"]["id"] == theirs.id


async def test_a_revoked_token_ends_what_is_open(place: ProductionServer) -> None:
    """Within five seconds, and opens nothing from now on; a new one does, with the roles that it has."""
    old = token("eve", "admin")
    made = await a_job(place.client(old), "One")
    async with socket_of(place, old) as socket, stream_of(place.client(old), made.id) as stream:
        await revoke(place, "eve")
        refused = await place.client(old).http.post("/graphql", json={"query": "{ __typename }"})
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (401, "The token was revoked.")
        assert await closed(socket) == (4403, "The token was revoked.")
        await asyncio.wait_for(stream, WITHIN_SECONDS)
    ageless = await place.user("eve", iat=None).http.post("/graphql", json={"query": "{ __typename }"})
    assert ageless.status_code == 401
    viewer = (await place.user("eve", "user").execute("{ viewer { roles } }"))["viewer"]
    assert viewer == {"roles": ["user"]}
    await revoke(place, "eve")


async def test_a_job_that_changes_hands_ends_its_streams(place: ProductionServer) -> None:
    """Of who may not see it any longer; an administrator's goes on, and so does the socket."""
    amy, ada = place.user("amy"), place.user("ada", "admin")
    made = await a_job(amy, "One")
    async with (
        amy.subscribe(EVENTS, id=made.id) as events,
        amy.subscribe(PROGRESS, id=made.id) as progress,
        amy.subscribe(SCENE, id=made.scenes[0]) as scene,
        ada.subscribe(EVENTS, id=made.id) as hers,
        stream_of(amy, made.id) as stream,
    ):
        for each in (events, progress, scene, hers):
            await each.next()
        async with place.app.container.store.write() as connection:
            await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(owner_id="ben"))
        async with asyncio.timeout(WITHIN_SECONDS):
            assert [await each.rest() for each in (events, progress, scene)] == [[], [], []]
            assert "event: complete" in await stream
        await jobs.retitle(place.user("ben"), made.id, "Ben's")
        assert (await hers.next())["jobEvents"] == {"__typename": "JobEvent"}


async def test_a_job_that_is_gone_ends_its_streams(place: ProductionServer) -> None:
    """Purged, as after the days in which it could be restored."""
    amy = place.user("amy")
    made = await a_job(amy, "One")
    async with amy.subscribe(EVENTS, id=made.id) as events, amy.subscribe(SCENE, id=made.scenes[0]) as scene:
        await events.next()
        await scene.next()
        async with place.app.container.store.write() as connection:
            await connection.execute(sa.delete(JOB).where(JOB.c.id == made.id))
        place.app.container.bus.publish(Resync())
        async with asyncio.timeout(WITHIN_SECONDS):
            assert [await events.rest(), await scene.rest()] == [[], []]


async def test_a_deleted_job_is_its_owners_to_see(place: ProductionServer) -> None:
    """Who only reports on it hears no more of it."""
    amy, worker = place.user("amy"), place.user("wim", "worker")
    made = await a_job(amy, "One")
    async with worker.subscribe(EVENTS, id=made.id) as theirs, amy.subscribe(EVENTS, id=made.id) as hers:
        await theirs.next()
        await hers.next()
        async with place.app.container.store.write() as connection:
            await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(deleted_at=now()))
        place.app.container.bus.publish(Resync())
        async with asyncio.timeout(WITHIN_SECONDS):
            assert await theirs.rest() == []
        assert (await amy.execute(f'{{ job(id: "{made.id}") {{ id }} }}'))["job"] == {"id": made.id}


async def test_watching_costs_one_statement_however_many_watch(
    place: ProductionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of revocations; whoever they are."""
    asked: list[int] = []
    looked = asyncio.Event()
    before = revocations.of_subjects

    async def counted(connection: object, subjects: set[str]) -> object:
        asked.append(len(subjects))
        if len(subjects) == 3:
            looked.set()
        return await before(connection, subjects)  # pyright: ignore[reportArgumentType] # passed on as it came

    async with (
        socket_of(place, token("amy")),
        socket_of(place, token("amy")),
        socket_of(place, token("ben")),
        socket_of(place, token("ada")),
    ):
        monkeypatch.setattr(revocations, "of_subjects", counted)
        await asyncio.wait_for(looked.wait(), WITHIN_SECONDS)
    assert asked == [3]
