"""docs/live.md: its client examples resume without gaps from killed servers."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing, suppress
from itertools import count
from pathlib import Path

import httpx
import pytest
from starlette.requests import HTTPConnection

from models.db.database import Connection
from models.domain.access import LOCAL, SYSTEM, Viewer
from models.reads import queries
from schema.narrow import Narrow
from server.limits.rates import Rates
from server.transports.rate_limiter import TooManyRequests
from tests.support import client_programs, jobs
from tests.support.client import Client, Json
from tests.support.client_programs import FOLDER, NAMES, Follower, complaints, every, following
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

FEED = (FOLDER / "feed.graphql").read_text("utf-8")
SHOWN = FEED[FEED.index("fragment") :]
NO_COMPLAINTS = dict.fromkeys(NAMES, "")


@pytest.fixture(scope="module")
def packages() -> None:
    """Install the npm packages of the client examples."""
    client_programs.install()


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    """A server to kill; while it is down, a second one at another address can change its database unobserved."""
    server = ServerProcess(tmp_path, provider="scripted", render_concurrency=3, subscriber_events=10_000).start()
    yield server
    server.kill()


@asynccontextmanager
async def client_of(server: ServerProcess) -> AsyncGenerator[Client]:
    """An API client, closed on exit."""
    client = Client(server.url)
    try:
        yield client
    finally:
        await client.close()


async def expected_job(client: Client, job_id: str) -> Json:
    """Query the job with the fields that the clients show."""
    return (await client.execute(f"query($id: ID!) {{ job(id: $id) {{ ...Shown }} }} {SHOWN}", id=job_id))["job"]


def unreadable(read: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """Wrap a read so that it fails for every viewer except SYSTEM."""

    async def failing(connection: Connection, viewer: Viewer, *arguments: object) -> object:
        if viewer is not SYSTEM:
            raise RuntimeError("The program is wrong.")
        return await read(connection, viewer, *arguments)

    return failing


async def unreadable_rows(*_arguments: object) -> object:
    """A read of a compiled operation that fails."""
    raise RuntimeError("The program is wrong.")


async def change_at_random(client: Client, made: jobs.Made, changes: int) -> None:
    """Make seeded random changes to a job, one event each."""
    chance = jobs.seeded("scribble")
    for number in range(changes):
        scene_id, place = chance.choice(made.scenes), chance.randrange(len(made.scenes))
        match chance.randrange(5):
            case 0:
                await jobs.change(client, "addScene", jobId=made.id, position=place, scene=jobs.scene(f"New {number}"))
            case 1:
                await jobs.change(client, "moveScene", sceneId=scene_id, position=place)
            case 2:
                await jobs.change(client, "updateScene", sceneId=scene_id, title=f"Scene {number}")
            case _:
                await jobs.retitle(client, made.id, f"Title {number}")


async def change_until_killed(server: ServerProcess, made: jobs.Made, watchers: dict[str, Follower]) -> None:
    """Kill the server in the middle of a change, after every follower has received 30 events."""

    async def kill() -> None:
        await every(watchers, lambda follower: len(follower.events) >= 30)
        server.kill()

    async with client_of(server) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        with suppress(httpx.TransportError):
            await change_at_random(client, made, changes=10_000)


def has_progress(follower: Follower) -> bool:
    """Whether a client has received the progress of a scene."""
    return any(message["__typename"] == "SceneProgress" for message in follower.messages)


def has_begun(follower: Follower) -> bool:
    """Whether a client shows the job; it may report its state after that."""
    return follower.snapshots != [] and "live" in follower.states


@pytest.mark.usefixtures("packages")
class TestClientExamples:
    """The JavaScript client, Apollo Client and the Python client, all following the same job."""

    async def test_a_client_misses_no_event_when_the_server_is_killed(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        """Events before, during and after the outage arrive once and in order, beside the progress of scenes; the user
        sees `reconnecting`."""
        stalled, slow = jobs.scene("Stalls", outcome="stall"), jobs.scene("Slow", steps=1_000)
        async with client_of(server) as client:
            made = await jobs.make(client, stalled, slow, jobs.scene("Quick"), start=True)
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: has_begun(follower) and has_progress(follower))
            await change_until_killed(server, made, watchers)
            await every(watchers, lambda follower: follower.states[-1:] == ["reconnecting"])
            received = max(follower.position for follower in watchers.values())
            async with running(server.folder) as elsewhere:
                await change_at_random(elsewhere, made, changes=20)
                assert (await expected_job(elsewhere, made.id))["version"] > received
            server.start()
            async with client_of(server) as client:
                await change_at_random(client, made, changes=20)
                await jobs.change(client, "cancelJob", jobId=made.id)
                end, log = await expected_job(client, made.id), await jobs.log(client, made.id)
            await every(watchers, lambda follower: follower.position >= end["version"])
        assert [event["version"] for event in log] == list(range(1, end["version"] + 1))
        for name, follower in watchers.items():
            (start,) = follower.snapshots
            assert (name, start["reason"]) == (name, "INITIAL")
            assert (name, follower.events) == (name, log[start["version"] :])
            assert (name, follower.job) == (name, end)
            assert (name, follower.states) == (name, ["live", "reconnecting", "live"])
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_a_client_resumes_from_a_snapshot_when_the_log_was_truncated(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        """A LOG_TRUNCATED snapshot replaces the pruned events; later events follow it."""
        async with client_of(server) as client:
            made = await jobs.make(client, provider="external")
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, has_begun)
            assert server.stop() == 0
            async with running(server.folder) as elsewhere:
                await change_at_random(elsewhere, made, changes=9)
                covered = await jobs.retitle(elsewhere, made.id, "Covered")
            with closing(sqlite3.connect(tmp_path / "test.db")) as database, database:
                database.execute("DELETE FROM event WHERE version < ?", [covered])
            server.start()
            await every(watchers, lambda follower: follower.position == covered)
            async with client_of(server) as client:
                last = await jobs.retitle(client, made.id, "Last")
                end = await expected_job(client, made.id)
            await every(watchers, lambda follower: follower.position == last)
        for name, follower in watchers.items():
            assert (name, follower.snapshots) == (
                name,
                [{"version": 1, "reason": "INITIAL"}, {"version": covered, "reason": "LOG_TRUNCATED"}],
            )
            assert (name, follower.events) == (name, [{"version": last, "type": "JOB_UPDATED"}])
            assert (name, follower.job) == (name, end)
            assert (name, follower.states) == (name, ["live", "reconnecting", "live"])
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_a_client_reconnects_when_pings_are_not_answered(self, server: ServerProcess, tmp_path: Path) -> None:
        """A frozen server closes no socket: the client times out, and reconnects when the server continues."""
        async with client_of(server) as client:
            made = await jobs.make(client, provider="external")
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, has_begun)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await every(watchers, lambda follower: follower.states[-1:] == ["reconnecting"])
            finally:
                os.kill(server.pid, signal.SIGCONT)
            async with client_of(server) as client:
                await change_at_random(client, made, changes=9)
                end = await expected_job(client, made.id)
            await every(watchers, lambda follower: follower.position == end["version"])
        for name, follower in watchers.items():
            assert (name, [event["version"] for event in follower.events]) == (name, list(range(2, end["version"] + 1)))
            assert (name, follower.job) == (name, end)
            assert (name, follower.states) == (name, ["live", "reconnecting", "live"])

    async def test_a_client_resubscribes_after_an_internal_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event whose read failed is not skipped, even when several subscribe attempts fail as well."""
        async with running(tmp_path) as app:
            made = await jobs.make(app, provider="external")
            async with following(app.url, made.id, tmp_path) as watchers:
                await every(watchers, has_begun)
                with monkeypatch.context() as patch:
                    for name in ("jobs_by_id", "progress_snapshots"):
                        patch.setattr(queries, name, unreadable(getattr(queries, name)))
                    for name in ("by_id", "progress"):
                        patch.setattr(Narrow, name, unreadable_rows)
                    await app.container.coordinator.commands().jobs.update(LOCAL, made.id, {"title": "Not readable"})
                    # The JavaScript client reports it once, and the end when it has caught up.
                    await watchers["javascript"].until(lambda follower: follower.states[-1:] == ["reconnecting"])
                    others = {name: follower for name, follower in watchers.items() if name != "javascript"}
                    await every(others, lambda follower: follower.states.count("reconnecting") >= 2)
                last = await jobs.retitle(app, made.id, "Readable again")
                end = await expected_job(app, made.id)
                await every(watchers, lambda follower: follower.position == last)
        for name, follower in watchers.items():
            assert (name, [event["version"] for event in follower.events]) == (name, [2, 3])
            assert (name, follower.job) == (name, end)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_a_client_resubscribes_after_a_rate_limit(
        self, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first six requests are refused; the stream does not end."""
        made = await jobs.make(app, provider="external")
        requests = count()

        def refuse_first(_: Rates, __: HTTPConnection) -> None:
            if next(requests) < 2 * len(NAMES):
                raise TooManyRequests("Too many requests", 0.1)

        monkeypatch.setattr(Rates, "request", refuse_first)
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, has_begun)
            assert [watchers[name].ends for name in NAMES] == [[]] * len(NAMES)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_a_client_does_not_retry_when_the_job_does_not_exist(self, app: App, tmp_path: Path) -> None:
        """NOT_FOUND ends the stream once, with its message."""
        async with following(app.url, "job_01h455vb4pex5vsknk084sn02q", tmp_path) as watchers:
            await every(watchers, lambda follower: follower.ends != [])
        assert [name for name in NAMES if "There is no such job." not in str(watchers[name].ends)] == []
        assert [len(watchers[name].ends) for name in NAMES] == [1] * len(NAMES)
        assert [name for name in NAMES if "reconnecting" in watchers[name].states] == []
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_unsubscribing_reports_no_end_and_leaves_no_watcher(self, app: App, tmp_path: Path) -> None:
        """`end` is not called for an unsubscribe, and the hub has no watcher left."""
        made = await jobs.make(app, provider="external")
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, has_begun)
        await eventually(lambda: app.container.hub.watchers == 0)
        assert [(watchers[name].states, watchers[name].ends) for name in NAMES] == [(["live"], [])] * len(NAMES)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_a_client_shows_scene_progress(self, app: App, tmp_path: Path) -> None:
        """SceneProgress, which is not in the log, updates the scene and the job."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        await jobs.change(app, "updateScene", sceneId=scene_id, status="PROCESSING")
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, has_begun)
            await jobs.change(app, "updateScene", sceneId=scene_id, percentage=42.0)
            await every(watchers, lambda follower: follower.messages[-1]["__typename"] == "SceneProgress")
            end = await expected_job(app, made.id)
        assert end["scenes"]["nodes"][0]["percentage"] == end["progress"]["percentage"] == 42.0
        assert {name: watchers[name].job for name in NAMES} == dict.fromkeys(NAMES, end)

    async def test_a_client_accepts_a_job_larger_than_one_megabyte(self, app: App, tmp_path: Path) -> None:
        """Some libraries limit message size to 1 MB by default; a job of many long prompts exceeds it."""
        long = jobs.scene("漢" * 4000)
        made = await jobs.make(app, *[long] * 70, provider="external")
        last = made.version
        for _ in range(20):
            last = await jobs.change(app, "addScene", jobId=made.id, scene=long)
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.position == last)
            end = await expected_job(app, made.id)
        assert [name for name in NAMES if watchers[name].job != end] == []
        assert complaints(tmp_path) == NO_COMPLAINTS
