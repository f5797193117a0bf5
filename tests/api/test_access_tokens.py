"""Access tokens: how they are made and listed, and how they end."""

import asyncio
import json
import re
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
from models.db.tables import AUDIT
from models.db.token_tables import TOKEN
from models.reads import revocations
from server.auth import access_tokens
from tests.support import jobs
from tests.support.access_tokens import TOKEN as SHOWN
from tests.support.access_tokens import holder, issue
from tests.support.client import Client, Json
from tests.support.database_choice import database_choice
from tests.support.factories import NO_JOB, NO_TOKEN, a_job, accepted
from tests.support.leasing import a_lease, a_leased_job
from tests.support.multiplexed import multiplexed
from tests.support.queries import invalid
from tests.support.server_app import running
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

ERRORS = "errors { __typename code path }"
PING = {"query": "{ __typename }"}
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


async def test_token_is_shown_with_its_secret_once(server: ProductionServer, owner: Client) -> None:
    """Neither lists nor the database have the secret; those of others are not visible."""
    made, another = await a_job(owner, "One"), await a_job(owner, "Two")
    issued = await issue(owner, made.id, another.id, grants=("EDIT",), label="Review", expiresInSeconds=60)
    assert issued.shown["jobIds"] == [made.id, another.id]
    assert (issued.shown["grants"], issued.shown["label"]) == (["READ", "EDIT"], "Review")
    assert (issued.shown["revokedAt"], issued.shown["lastUsedAt"]) == (None, None)
    lasts = datetime.fromisoformat(issued.shown["expiresAt"]) - datetime.fromisoformat(issued.shown["createdAt"])
    assert lasts == timedelta(seconds=60)
    whole = await issue(owner)
    assert whole.shown["jobIds"] is None
    listed = await owner.execute(f"{{ viewer {{ tokens(first: 2) {SHOWN[5:]} }} }}")
    assert listed["viewer"]["tokens"] == [whole.shown, issued.shown]
    async with server.app.container.store.read() as connection:
        rows = (await connection.execute(sa.select(TOKEN))).all()
    assert issued.id in str(rows)
    assert issued.secret not in str(rows)
    assert (await server.user("sam").execute("{ viewer { tokens { id } } }"))["viewer"]["tokens"] == []
    assert re.fullmatch(r"scenewire_[\w-]{43}", issued.secret)


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"jobIds": []}, invalid("jobIds")),
        ({"grants": []}, invalid("grants")),
        ({"grants": ["READ", "READ"]}, invalid("grants", "1")),
        ({"grants": ["WORK"]}, invalid("jobIds")),
        ({"jobIds": [NO_JOB, NO_JOB]}, invalid("jobIds", "1")),
        ({"jobIds": [f"{NO_JOB[:-3]}{n:03}" for n in range(101)]}, invalid("jobIds", code="LIMIT_EXCEEDED")),
        ({"expiresInSeconds": 59}, invalid("expiresInSeconds")),
        ({"expiresInSeconds": 86_401}, invalid("expiresInSeconds")),
        ({"label": ""}, invalid("label")),
        ({"label": "x" * 101}, invalid("label")),
        ({"label": "a\nb"}, invalid("label")),
    ],
)
async def test_invalid_token_is_refused(server: ProductionServer, fields: Json, error: Json) -> None:
    """With the field, and nothing is made."""
    client = server.user("ines")
    given: Json = {"jobIds": [NO_JOB], "grants": ["READ"], **fields}
    payload = await client.mutate("createToken", f"token {{ id }} secret {ERRORS}", **given)
    (found,) = payload.pop("errors")
    assert payload == {"token": None, "secret": None}
    assert found == error
    assert (await client.execute("{ viewer { tokens { id } } }"))["viewer"]["tokens"] == []


async def test_token_names_only_jobs_of_its_maker(server: ProductionServer, owner: Client) -> None:
    """A job of another owner is missing like one that does not exist; a worker sees it, but does not own it."""
    mine, theirs = await a_job(owner, "One"), await a_job(server.user("sam"), "One")

    async def refused(client: Client, *ids: str) -> Json:
        payload = await client.mutate("createToken", f"token {{ id }} {ERRORS}", jobIds=list(ids), grants=["READ"])
        assert payload["token"] is None
        return payload["errors"][0]

    path = ["input", "jobIds", "1"]
    for missing in (theirs.id, NO_JOB, "x"):
        found = await refused(owner, mine.id, missing)
        assert found == {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": path}
    found = await refused(server.user("wim", "worker"), theirs.id)
    assert found == {"__typename": "ForbiddenError", "code": "FORBIDDEN", "path": ["input", "jobIds", "0"]}
    admin = server.user("ada", "admin")
    reader = await holder(server, admin, mine.id, theirs.id)
    seen = await reader.execute("{ jobs { nodes { id } totalCount } viewer { id roles } }")
    assert {job["id"] for job in seen["jobs"]["nodes"]} == {mine.id, theirs.id}
    assert seen["viewer"] == {"id": "ada", "roles": ["user"]}
    everything = await holder(server, admin)
    assert (await everything.execute("{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0


@pytest.mark.sqlite_alone
async def test_number_of_valid_tokens_is_limited(server: ProductionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked ones do not count."""
    monkeypatch.setattr(tokens, "TOKENS_PER_OWNER", 2)
    client = server.user("lena")
    first, _ = [await issue(client) for _ in "12"]
    refused = await client.mutate("createToken", ERRORS, grants=["READ"])
    assert refused["errors"] == [{"__typename": "ValidationError", "code": "LIMIT_EXCEEDED", "path": ["input"]}]
    await accepted(client, "revokeToken", "token { id }", tokenId=first.id)
    await issue(client)


async def status(client: Client) -> int:
    """Return the status of a small request."""
    return (await client.http.post("/graphql", json=PING)).status_code


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


async def test_audit_names_the_token_and_never_its_secret(server: ProductionServer, owner: Client) -> None:
    """Of changes and refusals with it; when it is made and revoked it is the object."""
    made = await a_job(owner, "One")
    issued = await issue(owner, made.id, grants=("EDIT",), label="Review")
    editor = server.client(issued.secret)
    await jobs.retitle(editor, made.id, "By the holder")
    await editor.mutate("createJob", ERRORS, title="Mine")
    await accepted(owner, "revokeToken", "token { id }", tokenId=issued.id)

    async def rows() -> list[Json]:
        ordered = sa.select(AUDIT).where(AUDIT.c.actor_id == "olga").order_by(AUDIT.c.id)
        async with server.app.container.store.read() as connection:
            found = [dict(row) for row in (await connection.execute(ordered)).mappings()]
        return [row for row in found if issued.id in (row["token_id"], row["object_id"])]

    async def are_written() -> bool:
        return len(await rows()) == 4

    await eventually(are_written)
    entries = [(row["action"], row["object_id"], row["result"], row["token_id"]) for row in await rows()]
    assert sorted(entries) == [
        ("createJob", None, "FORBIDDEN", issued.id),
        ("createToken", issued.id, "OK", None),
        ("revokeToken", issued.id, "OK", None),
        ("updateJob", made.id, "OK", issued.id),
    ]
    assert issued.secret not in str(await rows())


async def test_keys_of_repeated_requests_belong_to_the_token(server: ProductionServer, owner: Client) -> None:
    """The holder of a token cannot learn what its maker has done under a key, or take the key from it."""
    made = await a_job(owner, "One")
    await accepted(owner, "startJob", jobId=made.id, idempotencyKey="a-key")
    editor = await holder(server, owner, made.id, grants=("EDIT",))
    await accepted(editor, "cancelJob", jobId=made.id, idempotencyKey="a-key")


async def test_work_token_leases_what_its_maker_may(server: ProductionServer, owner: Client) -> None:
    """Takes of its maker, or of all owners; its jobs stay invisible."""
    ((mine,), (theirs,)) = [(await a_leased_job(each)).scenes for each in (owner, server.user("sam"))]
    worker = await holder(server, owner, grants=("WORK",))
    lease = await a_lease(worker, "gpu of olga")
    assert lease["scene"]["id"] == mine
    document = '{ jobs { totalCount nodes { id } } assets { totalCount } workers { name } scene(id: "%s") { id } }'
    assert await worker.execute(document % mine) == {
        "jobs": {"totalCount": 0, "nodes": []},
        "assets": {"totalCount": 0},
        "workers": [{"name": "gpu of olga"}],
        "scene": None,
    }
    for_all = await holder(server, server.user("wim", "worker"), grants=("WORK",))
    assert (await a_lease(for_all, "gpu of wim"))["scene"]["id"] == theirs
    external = await a_job(owner, "One")
    assert (await for_all.execute(f'{{ job(id: "{external.id}") {{ id }} }}'))["job"] is None


async def test_missing_token_cannot_be_revoked(server: ProductionServer, owner: Client) -> None:
    """Nor one of another user; an administrator can revoke it."""
    issued = await issue(owner)
    for client, token_id in ((owner, NO_TOKEN), (owner, "x"), (server.user("sam"), issued.id)):
        refused = await client.mutate("revokeToken", f"token {{ id }} {ERRORS}", tokenId=token_id)
        assert refused["token"] is None
        assert refused["errors"] == [{"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["input", "tokenId"]}]
    assert await status(server.client(issued.secret)) == 200
    await accepted(server.user("ada", "admin"), "revokeToken", "token { id }", tokenId=issued.id)
    assert await status(server.client(issued.secret)) == 401


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    "secret", ["scenewire_", "scenewire_" + "x" * 43, "scenewire_" + "x" * 4_000, "scenewire_\u00fc"]
)
async def test_unknown_secret_is_refused(server: ProductionServer, secret: str) -> None:
    """Like any token that is not accepted."""
    headers = {b"authorization": f"Bearer {secret}".encode()}
    answer = await server.client(None).http.post("/graphql", json=PING, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.sqlite_alone
async def test_old_tokens_are_removed(server: ProductionServer, owner: Client) -> None:
    """30 days after they expired, with the names of their jobs."""
    made = await a_job(owner, "One")
    old, recent = await issue(owner, made.id), await issue(owner, made.id)
    store = server.app.container.store
    for issued, days in ((old, 31), (recent, 29)):
        async with store.write() as connection:
            ended = now() - timedelta(days=days)
            await connection.execute(sa.update(TOKEN).where(TOKEN.c.id == issued.id).values(expires_at=ended))
    assert await tokens.prune(store) == 1
    document = f'{{ old: node(id: "{old.id}") {{ id }} recent: node(id: "{recent.id}") {{ id }} }}'
    assert await owner.execute(document) == {"old": None, "recent": {"id": recent.id}}


@pytest.mark.sqlite_alone
async def test_token_limits_its_holder_in_development(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where requests without a token may do everything."""
    async with running(tmp_path_factory.mktemp("development"), provider="external") as app:
        made, another = await a_job(app, "One"), await a_job(app, "One")
        reader = Client(app.url, (await issue(app, made.id)).secret)
        seen = await reader.execute("{ jobs { nodes { id } } }")
        assert seen == {"jobs": {"nodes": [{"id": made.id}]}}
        assert another.id in json.dumps(await app.execute("{ jobs { nodes { id } } }"))
        await reader.close()
        unknown = Client(app.url, "scenewire_unknown")
        assert await status(unknown) == 401
        await unknown.close()
