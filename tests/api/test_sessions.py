"""Sockets and streams are closed when their token expires or is revoked, and when the viewer may not see the job."""

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
from models.db.clock import now
from models.db.tables import JOB
from models.reads import revocations
from tests.support import jobs
from tests.support.client import READS_ON_DEMAND, Client
from tests.support.factories import a_job
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

EVENTS = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }"
PROGRESS = "subscription($id: ID!) { jobProgress(jobId: $id) { total } }"
SCENE = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { id } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server."""
    async with production_server(tmp_path_factory.mktemp("sessions")) as made:
        yield made


@asynccontextmanager
async def socket_of(server: ProductionServer, bearer: str) -> AsyncGenerator[ClientConnection]:
    """Open and initialise a websocket with this token."""
    address = f"ws{server.app.url.removeprefix('http')}/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], **READS_ON_DEMAND) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {bearer}"}}
        await socket.send(json.dumps(init))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        yield socket


async def closed(socket: ClientConnection, within_seconds: float = TIMEOUT_SECONDS) -> tuple[int | None, str | None]:
    """Wait until the server closes the socket; return code and reason."""
    async with asyncio.timeout(within_seconds):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def revoke(server: ProductionServer, subject: str) -> None:
    """Revoke the tokens of a subject, as the command does."""
    async with server.app.container.store.write() as connection:
        await revocations.revoke(connection, subject, now())


async def is_refused(client: Client, message: str) -> bool:
    """Return whether a request is refused with 401 and this message."""
    answer = await client.http.post("/graphql", json={"query": "{ __typename }"})
    return answer.status_code == 401 and answer.json()["errors"][0]["message"] == message


@asynccontextmanager
async def stream_of(client: Client, job_id: str) -> AsyncGenerator[asyncio.Task[str]]:
    """Open an event stream and wait for its first message; the task returns all text when the stream ends."""
    started = asyncio.Event()

    async def read() -> str:
        body = {"query": EVENTS, "variables": {"id": job_id}}
        text = ""
        async with client.http.stream("POST", "/graphql", json=body, headers={"accept": "text/event-stream"}) as answer:
            async for piece in answer.aiter_text():
                text += piece
                if "JobSnapshot" in text:
                    started.set()
        return text

    task = asyncio.create_task(read())
    await asyncio.wait_for(started.wait(), TIMEOUT_SECONDS)
    yield task
    task.cancel()


@pytest.mark.sqlite_alone
async def test_expired_token_closes_its_sockets_and_streams(server: ProductionServer) -> None:
    """Within a second, and only its own; it is refused from then on."""
    amy, ben = server.user("amy"), server.user("ben")
    made = await a_job(amy, "One")
    short = token("amy", lasts=1.2)
    expires_at = time.time() + 1.2
    async with (
        socket_of(server, short) as socket,
        ben.subscribe("subscription { jobsUpdated { id } }") as other,
        stream_of(server.client(short), made.id) as stream,
    ):
        assert await closed(socket) == (4403, "The token has expired.")
        text = await asyncio.wait_for(stream, TIMEOUT_SECONDS)
        assert abs(time.time() - expires_at) < 1.0
        # The stream is cut off, not completed: a client with a new token resumes it.
        assert "event: complete" not in text
        assert (await server.client(short).http.post("/graphql", json={"query": "{ __typename }"})).status_code == 401
        theirs = await a_job(ben, "One")
        assert (await other.next())["jobsUpdated"]["id"] == theirs.id


async def test_revoked_token_closes_its_sockets_and_streams(server: ProductionServer) -> None:
    """It is refused from then on; a newer token is accepted, with its own roles."""
    old = token("eve", "admin")
    made = await a_job(server.client(old), "One")
    async with socket_of(server, old) as socket, stream_of(server.client(old), made.id) as stream:
        await revoke(server, "eve")
        await eventually(lambda: is_refused(server.client(old), "The token was revoked."))
        assert await closed(socket) == (4403, "The token was revoked.")
        await asyncio.wait_for(stream, TIMEOUT_SECONDS)
    without_iat = await server.user("eve", iat=None).http.post("/graphql", json={"query": "{ __typename }"})
    assert without_iat.status_code == 401
    viewer = (await server.user("eve", "user").execute("{ viewer { roles } }"))["viewer"]
    assert viewer == {"roles": ["user"]}
    await revoke(server, "eve")


async def test_job_with_a_new_owner_ends_the_streams_of_the_old_one(server: ProductionServer) -> None:
    """The streams of an administrator and the socket itself stay open."""
    amy, ada = server.user("amy"), server.user("ada", "admin")
    made = await a_job(amy, "One")
    async with (
        amy.subscribe(EVENTS, id=made.id) as events,
        amy.subscribe(PROGRESS, id=made.id) as progress,
        amy.subscribe(SCENE, id=made.scenes[0]) as scene,
        ada.subscribe(EVENTS, id=made.id) as admin_events,
        stream_of(amy, made.id) as stream,
    ):
        for each in (events, progress, scene, admin_events):
            await each.next()
        async with server.app.container.store.write() as connection:
            await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(owner_id="ben"))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert [await each.rest() for each in (events, progress, scene)] == [[], [], []]
            assert "event: complete" in await stream
        await jobs.retitle(server.user("ben"), made.id, "Ben's")
        assert (await admin_events.next())["jobEvents"] == {"__typename": "JobEvent"}


async def test_purged_job_ends_its_streams(server: ProductionServer) -> None:
    """As after the recovery window."""
    amy = server.user("amy")
    made = await a_job(amy, "One")
    async with amy.subscribe(EVENTS, id=made.id) as events, amy.subscribe(SCENE, id=made.scenes[0]) as scene:
        await events.next()
        await scene.next()
        async with server.app.container.store.write() as connection:
            await connection.execute(sa.delete(JOB).where(JOB.c.id == made.id))
        server.app.container.bus.publish(Resync())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert [await events.rest(), await scene.rest()] == [[], []]


@pytest.mark.sqlite_alone
async def test_deleted_job_ends_the_streams_of_workers(server: ProductionServer) -> None:
    """Its owner can still see it."""
    amy, worker = server.user("amy"), server.user("wim", "worker")
    made = await a_job(amy, "One")
    async with worker.subscribe(EVENTS, id=made.id) as worker_events, amy.subscribe(EVENTS, id=made.id) as owner_events:
        await worker_events.next()
        await owner_events.next()
        async with server.app.container.store.write() as connection:
            await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(deleted_at=now()))
        server.app.container.bus.publish(Resync())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await worker_events.rest() == []
        assert (await amy.execute(f'{{ job(id: "{made.id}") {{ id }} }}'))["job"] == {"id": made.id}


async def test_revocations_of_all_connections_are_read_in_one_statement(
    server: ProductionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement for all subjects."""
    subject_counts: list[int] = []
    all_read = asyncio.Event()
    of_subjects = revocations.of_subjects

    async def counted(connection: object, subjects: set[str]) -> object:
        subject_counts.append(len(subjects))
        if len(subjects) == 3:
            all_read.set()
        return await of_subjects(connection, subjects)  # pyright: ignore[reportArgumentType] # passed on unchanged

    async with (
        socket_of(server, token("amy")),
        socket_of(server, token("amy")),
        socket_of(server, token("ben")),
        socket_of(server, token("ada")),
    ):
        monkeypatch.setattr(revocations, "of_subjects", counted)
        await asyncio.wait_for(all_read.wait(), TIMEOUT_SECONDS)
    assert subject_counts == [3]
