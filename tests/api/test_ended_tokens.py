"""Access tokens end when they are revoked or expire, on every process, with all that was opened with them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.commands import tokens
from models.db.clock import now
from models.db.token_tables import TOKEN
from models.reads import revocations
from server.auth import access_tokens
from tests.support import jobs
from tests.support.access_tokens import PING, holder, issue, status
from tests.support.client import Client
from tests.support.database_choice import database_choice
from tests.support.factories import a_job, accepted
from tests.support.leasing import a_lease, a_leased_job, claim
from tests.support.multiplexed import multiplexed
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

EVENTS = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[list[ProductionServer]]:
    """Two servers on Postgres; on SQLite, which has one process, the same server twice."""
    folder = tmp_path_factory.mktemp("tokens")
    async with production_server(folder) as one, AsyncExitStack() as stack:
        other = one
        if database_choice.distributed:
            other = await stack.enter_async_context(production_server(folder))
        yield [one, other]


@pytest.fixture
def server(servers: list[ProductionServer]) -> ProductionServer:
    """The first server."""
    return servers[0]


@pytest.fixture
def owner(server: ProductionServer) -> Client:
    """A user."""
    return server.user("olga")


async def test_revoked_token_ends_at_once_on_every_process(
    servers: list[ProductionServer], owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, also those whose answer was kept, sockets and event streams; another token of the job goes on.

    The processes are notified: here they never look by themselves.
    """
    monkeypatch.setattr(access_tokens, "MAX_AGE_SECONDS", 3_600.0)
    monkeypatch.setattr("server.auth.sessions.tokens.revoked", none_revoked)
    made = await a_job(owner, "One")
    issued, kept = await issue(owner, made.id), await issue(owner, made.id)
    clients = [server.client(issued.secret) for server in servers]
    document = f'{{ job(id: "{made.id}") {{ id }} }}'
    for client in clients:
        assert [await client.execute(document) for _ in range(4)] == [{"job": {"id": made.id}}] * 4
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(multiplexed(client)) for client in clients]
        survivor = await stack.enter_async_context(multiplexed(servers[1].client(kept.secret)))
        for socket in (*sockets, survivor):
            await socket.subscribe("1", EVENTS, id=made.id)
            await socket.message("1")
        streams = [await stack.enter_async_context(event_stream(client, made.id)) for client in clients]
        answers = [stream.aiter_text() for stream in streams]
        for each in answers:
            while "JobSnapshot" not in await anext(each):
                pass
        revoked = await accepted(owner, "revokeToken", "token { id revokedAt } secret", tokenId=issued.id)
        assert revoked["secret"] is None
        assert await status(clients[0]) == 401
        async with asyncio.timeout(TIMEOUT_SECONDS):
            for socket in sockets:
                await socket.socket.wait_closed()
                assert (socket.socket.close_code, socket.socket.close_reason) == (4403, "The token was revoked.")
            for each in answers:
                assert "event: complete" not in await rest(each)
        for client in clients:
            refused = await client.http.post("/graphql", json={"query": document})
            assert refused.status_code == 401
            assert refused.json()["errors"][0]["message"] == "The token was revoked."
        await jobs.retitle(owner, made.id, "Later")
        assert (await survivor.message("1"))["type"] == "next"
    again = await accepted(owner, "revokeToken", "token { id revokedAt }", tokenId=issued.id)
    assert again["token"] == revoked["token"]


async def none_revoked(_connection: object, _ids: object) -> set[str]:
    """Stand in for a look at the tokens of open sockets."""
    return set()


def event_stream(client: Client, job_id: str) -> Any:
    """Open an event stream about a job."""
    body = {"query": EVENTS, "variables": {"id": job_id}}
    return client.http.stream("POST", "/graphql", json=body, headers={"accept": "text/event-stream"})


async def rest(pieces: Any) -> str:
    """Return what is left of a stream that is cut off."""
    text = ""
    try:
        async for piece in pieces:
            text += piece
    except httpx.RemoteProtocolError:
        pass
    return text


async def test_lost_notification_delays_a_revocation_only(servers: list[ProductionServer], owner: Client) -> None:
    """The row is read again within a second, and sockets are closed at the next look at all of them."""
    made = await a_job(owner, "One")
    issued = await issue(owner, made.id)
    client = servers[0].client(issued.secret)
    async with multiplexed(client) as socket:
        await socket.subscribe("1", EVENTS, id=made.id)
        await socket.message("1")
        async with servers[0].app.container.store.write() as connection:
            await connection.execute(sa.update(TOKEN).where(TOKEN.c.id == issued.id).values(revoked_at=now()))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await socket.socket.wait_closed()
        assert socket.socket.close_code == 4403

        async def is_refused() -> bool:
            return await status(client) == 401

        await eventually(is_refused)


async def test_expired_token_ends_its_requests_and_sockets(server: ProductionServer, owner: Client) -> None:
    """By the instant that is stored."""
    made = await a_job(owner, "One")
    issued = await issue(owner, made.id)
    client = server.client(issued.secret)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    async with server.app.container.store.write() as connection:
        await connection.execute(sa.update(TOKEN).where(TOKEN.c.id == issued.id).values(expires_at=soon))
    async with multiplexed(client) as socket:
        await socket.subscribe("1", EVENTS, id=made.id)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await socket.socket.wait_closed()
        assert (socket.socket.close_code, socket.socket.close_reason) == (4403, "The token has expired.")
    assert datetime.now(UTC) >= soon
    refused = await client.http.post("/graphql", json=PING)
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (401, "The token has expired.")


async def test_revocation_of_the_maker_ends_its_tokens(server: ProductionServer) -> None:
    """Those made before."""
    client = server.user("rita")
    reader = await holder(server, client)
    assert await status(reader) == 200
    async with server.app.container.store.write() as connection:
        await revocations.revoke(connection, "rita", now() + timedelta(milliseconds=1))

    async def is_refused() -> bool:
        return await status(reader) == 401

    await eventually(is_refused)


async def test_token_made_just_after_the_revocation_of_its_maker_is_revoked(server: ProductionServer) -> None:
    """Its maker is noticed a moment later, and must not stay by a token that it makes meanwhile."""
    client = server.user("remy")
    issued = await issue(client)
    reader = server.client(issued.secret)
    assert await status(reader) == 200
    made_at = datetime.fromisoformat(issued.shown["createdAt"])
    async with server.app.container.store.write() as connection:
        await revocations.revoke(connection, "remy", made_at - tokens.REVOCATION_DELAY / 2)

    async def is_refused() -> bool:
        return await status(reader) == 401

    await eventually(is_refused)


async def test_no_token_is_made_just_after_a_revocation(
    server: ProductionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be refused: the error says so, and that it passes."""
    async with server.app.container.store.write() as connection:
        await revocations.revoke(connection, "rosa", now() - timedelta(seconds=30))
    client = server.user("rosa")
    await issue(client)
    monkeypatch.setattr(tokens, "REVOCATION_DELAY", timedelta(hours=1))
    refused = await client.mutate("createToken", "secret errors { code message path }", grants=["READ"])
    message = "All tokens of this user were revoked less than 3600 seconds ago."
    assert refused == {"secret": None, "errors": [{"code": "FORBIDDEN", "message": message, "path": ["input"]}]}


async def test_waiting_claim_of_a_revoked_token_gets_no_take(servers: list[ProductionServer], owner: Client) -> None:
    """The take stays for workers that may lease it."""
    issued = await issue(owner, grants=("WORK",))
    client = servers[1].client(issued.secret)
    waiting = asyncio.create_task(claim(client, "late", waitSeconds=20))

    async def waits() -> bool:
        return "late" in str(await owner.execute("{ workers { name } }"))

    await eventually(waits)
    await accepted(owner, "revokeToken", "token { id }", tokenId=issued.id)

    async def is_refused() -> bool:
        return await status(client) == 401

    await eventually(is_refused)
    made = await a_leased_job(owner)
    assert (await waiting)["leases"] == []
    assert (await a_lease(owner, waitSeconds=5))["scene"]["id"] == made.scenes[0]


async def test_last_use_is_stored_once_a_minute(servers: list[ProductionServer], owner: Client) -> None:
    """By whichever process it was used at."""
    issued = await issue(owner)
    for server in servers:
        client = server.client(issued.secret)
        assert [await status(client) for _ in range(5)] == [200] * 5

    async def used() -> str | None:
        found = await owner.execute(f'{{ node(id: "{issued.id}") {{ ... on AccessToken {{ lastUsedAt }} }} }}')
        return found["node"]["lastUsedAt"]

    async def is_stored() -> bool:
        return await used() is not None

    await eventually(is_stored)
    first = await used()
    assert await status(servers[0].client(issued.secret)) == 200
    store = servers[1].app.container.store
    for ago, written in ((59, False), (61, True)):
        async with store.write() as connection:
            earlier = now() - timedelta(seconds=ago)
            await connection.execute(sa.update(TOKEN).where(TOKEN.c.id == issued.id).values(last_used_at=earlier))
        before = await used()
        async with store.write() as connection:
            await tokens.note_used(connection, [issued.id], timedelta(seconds=60))
        assert (await used() != before) == written
    assert first is not None
