"""The page on live streams tells the truth: its clients are run against servers that are killed, and miss nothing."""

import asyncio
import os
import re
import signal
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx
import pytest

from models.db.database import Connection
from models.domain.access import LOCAL, SYSTEM, Viewer
from models.domain.errors import Unavailable
from models.reads import queries
from server.schema import executable_schema
from server.settings import Settings
from server.transports import CloseCode, TransportLimits
from server.transports.errors import TransportCode
from subscriptions import latest
from tests.support import client_programs, jobs
from tests.support.client import Client, Json
from tests.support.client_programs import FOLDER, NAMES, Follower, complaints, every, following
from tests.support.server_app import App, running
from tests.support.server_process import ROOT, ServerProcess

PAGE = (ROOT / "docs" / "live.md").read_text("utf-8")
FEED = (FOLDER / "feed.graphql").read_text("utf-8")
SHOWN = FEED[FEED.index("fragment") :]
SHOWN_FILES = {"clients/feed.graphql", "clients/graphql-ws.js", "clients/apollo.js", "clients/follow.py"}
NO_COMPLAINTS = dict.fromkeys(NAMES, "")


@pytest.fixture(scope="module")
def packages() -> None:
    """What the clients of Node import."""
    client_programs.install()


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    """A server that can be killed; meanwhile another one, at an address that no follower knows, can use its folder."""
    server = ServerProcess(tmp_path, provider="scripted", render_concurrency=3, subscriber_events=10_000).start()
    yield server
    server.kill()


@asynccontextmanager
async def client_of(server: ServerProcess) -> AsyncGenerator[Client]:
    """A client that does not outlive the server."""
    client = Client(server.url)
    try:
        yield client
    finally:
        await client.close()


async def truth(client: Client, job_id: str) -> Json:
    """The job as it must be shown."""
    return (await client.execute(f"query($id: ID!) {{ job(id: $id) {{ ...Shown }} }} {SHOWN}", id=job_id))["job"]


def unreadable(read: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """A read that fails for everybody but the server itself."""

    async def failing(connection: Connection, viewer: Viewer, *arguments: object) -> object:
        if viewer is not SYSTEM:
            raise OSError("the disk has a bad day")
        return await read(connection, viewer, *arguments)

    return failing


async def scribble(client: Client, made: jobs.Made, changes: int) -> None:
    """Change a job in ways that a stream tells of."""
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


async def scribble_until_it_is_killed(server: ServerProcess, made: jobs.Made, watchers: dict[str, Follower]) -> None:
    """The power goes in the middle of a change, once everybody has heard of many."""

    async def kill() -> None:
        await every(watchers, lambda follower: len(follower.events) >= 30)
        server.kill()

    async with client_of(server) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        with suppress(httpx.TransportError):
            await scribble(client, made, changes=10_000)


@pytest.mark.usefixtures("packages")
class TestAClientOfThePage:
    """graphql-ws, Apollo Client and gql, each told of the same job."""

    async def test_misses_nothing_when_the_server_is_killed(self, server: ServerProcess, tmp_path: Path) -> None:
        """Whatever happened before, meanwhile and after is told once, in order; the user is told of the gap."""
        stalled, slow = jobs.scene("Stalls", outcome="stall"), jobs.scene("Slow", steps=60)
        async with client_of(server) as client:
            made = await jobs.make(client, stalled, slow, jobs.scene("Quick"), start=True)
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.snapshots != [])
            await scribble_until_it_is_killed(server, made, watchers)
            await every(watchers, lambda follower: follower.states[-1] == "reconnecting")
            heard = max(follower.position for follower in watchers.values())
            async with running(server.folder) as elsewhere:
                await scribble(elsewhere, made, changes=20)
                assert (await truth(elsewhere, made.id))["version"] > heard
            server.start()
            async with client_of(server) as client:
                await scribble(client, made, changes=20)
                await jobs.change(client, "cancelJob", jobId=made.id)
                end, log = await truth(client, made.id), await jobs.log(client, made.id)
            await every(watchers, lambda follower: follower.position >= end["version"])
        assert [event["version"] for event in log] == list(range(1, end["version"] + 1))
        for name, follower in watchers.items():
            (start,) = follower.snapshots
            assert (name, start["reason"]) == (name, "INITIAL")
            assert (name, follower.events) == (name, log[start["version"] :])
            assert (name, follower.job) == (name, end)
            assert (name, follower.states) == (name, ["live", "reconnecting", "live"])
            assert any(message["__typename"] == "SceneProgress" for message in follower.messages), name
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_starts_anew_when_the_log_no_longer_reaches_back(self, server: ServerProcess, tmp_path: Path) -> None:
        """A snapshot covers what is missing from the log, and the events go on after it."""
        async with client_of(server) as client:
            made = await jobs.make(client, provider="external")
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.snapshots != [])
            assert server.stop() == 0
            async with running(server.folder) as elsewhere:
                await scribble(elsewhere, made, changes=9)
                covered = await jobs.retitle(elsewhere, made.id, "Covered")
            with closing(sqlite3.connect(tmp_path / "test.db")) as database, database:
                database.execute("DELETE FROM event WHERE version < ?", [covered])
            server.start()
            await every(watchers, lambda follower: follower.position == covered)
            async with client_of(server) as client:
                last = await jobs.retitle(client, made.id, "Last")
                end = await truth(client, made.id)
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

    async def test_notices_a_line_that_has_fallen_silent(self, server: ServerProcess, tmp_path: Path) -> None:
        """A frozen server closes nothing: the client says that it reconnects, and does when there is an answer."""
        async with client_of(server) as client:
            made = await jobs.make(client, provider="external")
        async with following(server.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.snapshots != [])
            os.kill(server.pid, signal.SIGSTOP)
            await every(watchers, lambda follower: follower.states[-1] == "reconnecting")
            os.kill(server.pid, signal.SIGCONT)
            async with client_of(server) as client:
                await scribble(client, made, changes=9)
                end = await truth(client, made.id)
            await every(watchers, lambda follower: follower.position == end["version"])
        for name, follower in watchers.items():
            assert (name, [event["version"] for event in follower.events]) == (name, list(range(2, end["version"] + 1)))
            assert (name, follower.job) == (name, end)
            assert (name, follower.states) == (name, ["live", "reconnecting", "live"])

    async def test_comes_back_for_a_message_that_went_wrong(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event that could not be read for it is not skipped, also when for a while it cannot even subscribe."""
        async with running(tmp_path) as app:
            made = await jobs.make(app, provider="external")
            async with following(app.url, made.id, tmp_path) as watchers:
                await every(watchers, lambda follower: follower.snapshots != [])
                with monkeypatch.context() as patch:
                    for name in ("jobs_by_id", "readings"):
                        patch.setattr(queries, name, unreadable(getattr(queries, name)))
                    await app.container.coordinator.jobs.update(LOCAL, made.id, {"title": "Unheard of"})
                    await every(watchers, lambda follower: follower.states.count("reconnecting") >= 2)
                last = await jobs.retitle(app, made.id, "Whole")
                end = await truth(app, made.id)
                await every(watchers, lambda follower: follower.position == last)
        for name, follower in watchers.items():
            assert (name, [event["version"] for event in follower.events]) == (name, [2, 3])
            assert (name, follower.job) == (name, end)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_does_not_ask_again_for_a_job_that_is_not_there(self, app: App, tmp_path: Path) -> None:
        """A refusal is the end, and says why."""
        async with following(app.url, "job_01h455vb4pex5vsknk084sn02q", tmp_path) as watchers:
            await every(watchers, lambda follower: follower.ends != [])
        assert [name for name in NAMES if "There is no such job." not in str(watchers[name].ends)] == []
        assert [len(watchers[name].ends) for name in NAMES] == [1] * len(NAMES)
        assert [watchers[name].states for name in NAMES] == [["live"]] * len(NAMES)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_leaves_without_a_word(self, app: App, tmp_path: Path) -> None:
        """To leave is not to be told that the stream has ended; and nobody is left on the server."""
        made = await jobs.make(app, provider="external")
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.snapshots != [])
        await jobs.until(lambda: app.container.hub.watchers == 0)
        assert [(watchers[name].states, watchers[name].ends) for name in NAMES] == [(["live"], [])] * len(NAMES)
        assert complaints(tmp_path) == NO_COMPLAINTS

    async def test_shows_how_far_a_render_is(self, app: App, tmp_path: Path) -> None:
        """What is not in the log, and comes with no event."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        await jobs.change(app, "updateScene", sceneId=scene_id, status="PROCESSING")
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.snapshots != [])
            await jobs.change(app, "updateScene", sceneId=scene_id, percentage=42.0)
            await every(watchers, lambda follower: follower.messages[-1]["__typename"] == "SceneProgress")
            end = await truth(app, made.id)
        assert end["scenes"]["nodes"][0]["percentage"] == end["progress"]["percentage"] == 42.0
        assert {name: watchers[name].job for name in NAMES} == dict.fromkeys(NAMES, end)

    async def test_takes_a_job_of_more_than_a_megabyte(self, app: App, tmp_path: Path) -> None:
        """As a job of many long prompts is; some libraries stop there unless told otherwise."""
        long = jobs.scene("漢" * 4000)
        made = await jobs.make(app, *[long] * 70, provider="external")
        last = made.version
        for _ in range(20):
            last = await jobs.change(app, "addScene", jobId=made.id, scene=long)
        async with following(app.url, made.id, tmp_path) as watchers:
            await every(watchers, lambda follower: follower.position == last)
            end = await truth(app, made.id)
        assert [name for name in NAMES if watchers[name].job != end] == []
        assert complaints(tmp_path) == NO_COMPLAINTS


def cut(path: str) -> str:
    """The part of a file that is shown: between its marks, or all of it."""
    text = (ROOT / "docs" / path).read_text("utf-8")
    marked = re.search(r"^(?://|#) #?region page\n(.*?)\n+^(?://|#) #?endregion$", text, re.MULTILINE | re.DOTALL)
    return text if marked is None else marked.group(1) + "\n"


class TestThePage:
    """What it shows is what was run above, and what it says is what the code does."""

    def test_every_block_is_cut_from_a_file_that_is_run(self) -> None:
        """Word for word; and no block comes from nowhere."""
        blocks = re.findall(r"^```(\S+) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        assert PAGE.count("```") == 2 * len(blocks)
        assert {path: code for _, path, code in blocks} == {path: cut(path) for path in SHOWN_FILES}

    def test_its_numbers_are_those_of_the_code(self) -> None:
        """Who changes a limit finds out who was told."""
        limits, settings = TransportLimits(), Settings.model_fields
        interval = re.search(r"minIntervalMs: Int! = ([0-9]+)", executable_schema().as_str())
        assert interval is not None
        told = [
            f"newest {settings['event_retention_versions'].default:,} of a job",
            f"last {settings['event_retention_seconds'].default // 86_400} days",
            f"more than {settings['subscriber_events'].default} events",
            f"(by default {interval.group(1)} ms), {latest.SCENE_INTERVAL_SECONDS * 1000:g} ms "
            f"and {latest.JOBS_INTERVAL_SECONDS * 1000:g} ms",
            f"nothing for {limits.stall_seconds:g} s",
            f"within {limits.init_seconds:g} s",
            f"more than {limits.message_bytes // 1024} KiB",
            f"more than {limits.operations_per_socket} on a socket",
        ]
        words = " ".join(PAGE.split())
        assert [phrase for phrase in told if phrase not in words] == []

    def test_it_names_every_close_code(self) -> None:
        """And 1006, which nobody sends: it is what a browser calls a broken line."""
        rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE)
        assert {int(code) for row in rows for code in row.split(",")} == {1006, *CloseCode}

    def test_the_names_it_shouts_exist(self) -> None:
        """Reasons and statuses of the schema, codes of errors; FEED and SHOWN are of its clients."""
        shouted = set(re.findall(r"`([A-Z_]+)`", PAGE))
        words = re.findall(r"[A-Z_]+", executable_schema().as_str())
        assert {"FEED", "SHOWN"} < shouted
        assert shouted <= {"FEED", "SHOWN", Unavailable("UNAVAILABLE", "").code, *TransportCode, *words}
