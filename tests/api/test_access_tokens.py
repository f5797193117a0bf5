"""Access tokens: how they are made, listed, audited and removed."""

import json
import re
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.commands import tokens
from models.db.clock import now
from models.db.tables import AUDIT
from models.db.token_tables import TOKEN
from tests.support import jobs
from tests.support.access_tokens import PING, holder, issue, status
from tests.support.access_tokens import TOKEN as SHOWN
from tests.support.client import Client, Json
from tests.support.factories import NO_JOB, NO_TOKEN, a_job, accepted
from tests.support.leasing import a_lease, a_leased_job
from tests.support.queries import invalid
from tests.support.server_app import running
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

ERRORS = "errors { __typename code path }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server."""
    async with production_server(tmp_path_factory.mktemp("tokens")) as server:
        yield server


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
