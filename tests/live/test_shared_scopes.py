"""Streams are shared only among subscribers with the same rights, links and caller; access ends as for one alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import fields
from pathlib import Path

import pytest

from models.db.clock import now
from models.reads import revocations
from schema.context import Context
from server.graphql.sharing import Scope
from server.transports.shared.group import Group
from server.transports.shared.streams import Asked, SharedStreams
from tests.support import jobs, purges
from tests.support.client import Json
from tests.support.job_feed import VERSIONS
from tests.support.multiplexed import Multiplexed, multiplexed
from tests.support.server_app import running
from tests.support.stream_modes import use
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import TIMEOUT_SECONDS, eventually

ACTIONS = """subscription($id: ID!) { jobEvents(jobId: $id) {
    ... on JobSnapshot { version job { scenes { nodes { availableActions } } } }
    ... on JobEvent { version scene { availableActions } }
} }"""
LINKS = """subscription($id: ID!) { jobEvents(jobId: $id) {
    ... on JobSnapshot { version job { scenes { nodes { output { url } } } } }
    ... on JobEvent { version job { scenes { nodes { output { url } } } } }
} }"""
MODES = ("direct", "asgi")


@pytest.fixture(params=MODES)
async def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[ProductionServer]:
    """A production server in each mode."""
    async with production_server(tmp_path, **use(request.param, monkeypatch)) as server:
        yield server


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Group]:
    """The groups that are made."""
    made: list[Group] = []

    class Recorded(Group):
        def __init__(self, streams: SharedStreams, asked: Asked, *, is_alone: bool = False) -> None:
            super().__init__(streams, asked, is_alone=is_alone)
            made.append(self)

    monkeypatch.setattr("server.transports.shared.streams.Group", Recorded)
    return made


async def test_viewers_with_other_rights_get_their_own_values(server: ProductionServer, groups: list[Group]) -> None:
    """Owner, worker and administrator send the same document and variables; two of each share a group."""
    owner = server.user("ada")
    made = await jobs.make(owner, provider="external")
    clients = [owner, server.user("wim", "worker"), server.user("root", "admin"), server.user("wim", "user", "worker")]
    expected = [
        (await each.execute(f'{{ scene(id: "{made.scenes[0]}") {{ availableActions }} }}'))["scene"]["availableActions"]
        for each in clients
    ]
    assert expected[0] != expected[1]
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(multiplexed(each)) for each in (*clients, *clients)]
        for socket, actions in zip(sockets, (*expected, *expected), strict=True):
            await socket.subscribe("1", ACTIONS, id=made.id)
            assert (await socket.feed("1"))["job"]["scenes"]["nodes"] == [{"availableActions": actions}]
        await jobs.change(owner, "updateScene", sceneId=made.scenes[0], prompt="Changed")
        for socket, actions in zip(sockets, (*expected, *expected), strict=True):
            assert (await socket.feed("1"))["scene"] == {"availableActions": actions}
    assert len(groups) == len(clients)


async def test_viewers_share_no_list_of_jobs(server: ProductionServer, groups: list[Group]) -> None:
    """Owners receive their own jobs only, an administrator those of all; two sockets of each share a group."""
    owners, admin = (server.user("ada"), server.user("eve")), server.user("root", "admin")
    made = [(await jobs.make(owner, provider="external")).id for owner in owners]
    expected = [{made[0]}, {made[1]}, set(made)]
    clients = (*owners, admin)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(multiplexed(each)) for each in (*clients, *clients)]
        for socket, visible in zip(sockets, (*expected, *expected), strict=True):
            await socket.subscribe("1", "subscription { jobsUpdated { id title } }")
            received = [(await socket.payload("1"))["data"]["jobsUpdated"]["id"] for _ in visible]
            assert set(received) == visible
        await jobs.retitle(owners[0], made[0], "Changed")
        for socket in (sockets[0], sockets[2], sockets[3], sockets[5]):
            assert (await socket.payload("1"))["data"]["jobsUpdated"] == {"id": made[0], "title": "Changed"}
        for socket in (sockets[1], sockets[4]):
            await socket.flush()
            assert socket.unread("1") == 0
    assert len(groups) == len(clients)


async def test_viewer_that_may_not_see_a_job_does_not_join_its_subscribers(server: ProductionServer) -> None:
    """The error is that of a job that does not exist, and the others go on."""
    owner, stranger = server.user("ada"), server.user("eve")
    made = await jobs.make(owner, provider="external")
    async with multiplexed(owner) as one, multiplexed(stranger) as other:
        await one.subscribe("1", VERSIONS, id=made.id)
        await one.feed("1")
        await other.subscribe("1", VERSIONS, id=made.id)
        message = await other.message("1")
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "NOT_FOUND")
        version = await jobs.retitle(owner, made.id, "Seen by its owner")
        assert (await one.feed("1"))["version"] == version
        await other.flush()
        assert other.unread("1") == 0


async def test_links_are_those_of_each_public_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two proxies name different prefixes; the viewer is the same."""
    settings: Json = {"trusted_proxies": "127.0.0.1", **use("direct", monkeypatch)}
    async with running(tmp_path, **settings) as app, AsyncExitStack() as stack:
        made = await jobs.make(app, jobs.scene(), start=True)
        await jobs.settled(app, made.id)
        sockets = [
            await stack.enter_async_context(multiplexed(app, x_forwarded_prefix=prefix))
            for prefix in ("/studio", "/other", "/studio")
        ]
        for socket in sockets:
            await socket.subscribe("1", LINKS, id=made.id)
        first = [links(await socket.feed("1")) for socket in sockets]
        await jobs.retitle(app, made.id, "Changed")
        last = [await links_of_event(socket) for socket in sockets]
    begins = [f"http://scenewire.test/{prefix}/media/" for prefix in ("studio", "other", "studio")]
    assert [link.partition(made.id)[0] for link in first] == begins
    assert [link.partition(made.id)[0] for link in last] == begins


def links(message: Json) -> str:
    """Return the link to the clip in a message."""
    return message["job"]["scenes"]["nodes"][0]["output"]["url"]


async def links_of_event(socket: Multiplexed) -> str:
    """Return the link to the clip in the last event that has arrived."""
    message = await socket.feed("1")
    while socket.unread("1"):
        message = await socket.feed("1")
    return links(message)


def test_scope_covers_everything_that_a_context_takes_from_a_connection() -> None:
    """A new field of the context must be the same for all connections, or belong to the scope."""
    of_the_scope = {"viewer", "link"}
    same_for_all = {"store", "coordinator", "hub", "facts", "buffered_events"}
    in_no_answer = {"audit", "request_id", "is_gone"}
    of_one_answer = {"snapshot", "_loaders", "_list_lock", "_rows_since_pause"}
    names = {each.name for each in fields(Context)}
    assert names == of_the_scope | same_for_all | in_no_answer | of_one_answer
    assert Scope._fields == ("viewer", "public_path")


async def test_access_to_a_deleted_job_ends_for_its_group_only(server: ProductionServer) -> None:
    """A worker sees external jobs as long as they are not deleted; the owner also afterwards."""
    owner, worker = server.user("ada"), server.user("wim", "worker")
    made = await jobs.make(owner, provider="external")
    async with AsyncExitStack() as stack:
        owners = [await stack.enter_async_context(multiplexed(owner)) for _ in range(2)]
        workers = [await stack.enter_async_context(multiplexed(worker)) for _ in range(2)]
        for socket in (*owners, *workers):
            await socket.subscribe("1", VERSIONS, id=made.id)
            await socket.feed("1")
        version = await jobs.change(owner, "deleteJob", jobId=made.id)
        for socket in owners:
            assert (await socket.feed("1"))["version"] == version
        for socket in workers:
            # The event of the deletion may come first, as for one alone.
            while (message := await socket.message("1"))["type"] != "complete":
                assert message["type"] == "next"
        version = await jobs.change(owner, "restoreJob", jobId=made.id)
        for socket in owners:
            assert (await socket.feed("1"))["version"] == version


async def test_purge_ends_all_streams(server: ProductionServer) -> None:
    """Of subscribers with different versions."""
    owner = server.user("ada")
    made = await jobs.make(owner, provider="external")
    async with multiplexed(owner) as socket:
        for id_ in "abc":
            await socket.subscribe(id_, VERSIONS, id=made.id)
            await socket.feed(id_)
        await purges.delete(server.app, made.id)
        await purges.run(server.app)
        for id_ in "abc":
            assert (await socket.message(id_))["type"] == "complete"
        await eventually(lambda: server.app.container.hub.watchers == 0)


async def test_revoked_token_ends_its_socket_and_not_that_of_a_newer_token(server: ProductionServer) -> None:
    """Both are in one group, as they have the same viewer."""
    made = await jobs.make(server.user("ada"), provider="external")
    old = server.user("ada", iat=now().timestamp() - 60)
    async with multiplexed(old) as revoked:
        await revoked.subscribe("1", VERSIONS, id=made.id)
        await revoked.feed("1")
        async with server.app.container.store.write() as connection:
            await revocations.revoke(connection, "ada", now())
        await asyncio.sleep(0.01)
        new = server.user("ada", iat=now().timestamp() + 1)
        async with multiplexed(new) as kept:
            await kept.subscribe("1", VERSIONS, id=made.id)
            await kept.feed("1")
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await revoked.socket.wait_closed()
            assert revoked.socket.close_code == 4403
            version = await jobs.retitle(new, made.id, "Later")
            assert (await kept.feed("1"))["version"] == version


async def test_caller_beyond_its_rate_pauses_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The subscribers of another user get every event meanwhile."""
    async with production_server(tmp_path, limit_cost_a_minute=400, **use("direct", monkeypatch)) as server:
        owner = server.user("root", "admin")
        made = await jobs.make(owner, provider="external")
        many, few = server.user("ada", "admin"), server.user("bob", "admin")
        async with multiplexed(many) as limited, multiplexed(few) as free:
            ids = [str(number) for number in range(20)]
            for id_ in ids:
                await limited.subscribe(id_, VERSIONS, id=made.id)
                await limited.feed(id_)
            await free.subscribe("1", VERSIONS, id=made.id)
            await free.feed("1")
            for number in range(30):
                await jobs.retitle(owner, made.id, f"Title {number}")
            assert [(await free.feed("1"))["version"] for _ in range(30)] == list(range(2, 32))
            await limited.flush()
            received = [limited.unread(id_) for id_ in ids]
    assert sum(received) < 400
    assert max(received) < 30
