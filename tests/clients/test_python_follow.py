"""Following a job with the Python client: through cuts, freezes, refusals, limits and purges."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from scenewire import Client, Event, NotFound, SceneProgress, Snapshot, TokenRefused, websocket
from server.limits.rates import Rates
from server.transports.closing import CloseCode
from server.transports.rate_limiter import TooManyRequests
from tests.support import jobs, purges
from tests.support.client import Client as RawClient
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.python_client import change_at_random, following
from tests.support.server_app import App, running
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.waiting import TIMEOUT_SECONDS, eventually

UNKNOWN = "job_01h455vb4pex5vsknk084sn02q"
CUTS = 8


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server without renders."""
    async with running(tmp_path, renders=False) as app:
        yield app


@pytest.fixture
async def client(app: App) -> AsyncGenerator[Client]:
    async with Client(app.url) as client:
        yield client


@asynccontextmanager
async def line_to(app: App) -> AsyncGenerator[FreezingProxy]:
    """A line to the server that can be cut and frozen."""
    host, port = app.url.removeprefix("http://").split(":")
    async with freezing_proxy(host, int(port)) as line:
        yield line


class TestMessages:
    """What a follower gets."""

    async def test_messages_have_the_whole_job(self, app: App, client: Client) -> None:
        """A snapshot, then each event and the progress of renders."""
        made = await jobs.make(app, jobs.scene("One"), jobs.scene("Two"), provider="external", start=True)
        async with following(client, made.id) as follower:
            await follower.until(made.version)
            (snapshot,) = follower.messages
            assert isinstance(snapshot, Snapshot)
            assert snapshot.job == await client.job(made.id)
            await client.update_scene(made.scenes[0], status="PROCESSING")
            last = await jobs.retitle(app, made.id, "Two scenes")
            await follower.until(last)
            await client.update_scene(made.scenes[0], percentage=40)
            await eventually(lambda: isinstance(follower.messages[-1], SceneProgress))
            progress, event = follower.messages[-1], follower.messages[-2]
            assert isinstance(progress, SceneProgress)
            assert (progress.scene_id, progress.take_number, progress.percentage) == (made.scenes[0], 1, 40)
            assert (progress.job.scenes[0].percentage, progress.job.progress.percentage) == (40, 20)
            assert progress.job == await client.job(made.id)
            assert isinstance(event, Event)
            assert (event.type, event.version, event.changed) == ("JOB_UPDATED", last, ("title",))
            assert event.actor_id == "local"

    async def test_stream_ends_when_the_job_is_settled(self, app: App, client: Client) -> None:
        """And resumes after a version that the caller names."""
        made = await jobs.make(app, jobs.scene("One"), start=True)
        last = await jobs.change(app, "cancelJob", jobId=made.id)
        seen = [message async for message in client.follow(made.id, after=1, until_settled=True)]
        assert [message.version for message in seen if isinstance(message, Event)] == list(range(2, last + 1))
        assert seen[-1].job.status == "CANCELED"

    async def test_stream_ends_when_the_job_is_purged(self, app: App, client: Client) -> None:
        """A job that does not exist is NOT_FOUND."""
        made = await jobs.make(app)
        async with following(client, made.id) as follower:
            await follower.until(made.version)
            await purges.delete(app, made.id)
            await purges.run(app)
            await eventually(lambda: follower.ended)
            assert follower.states[-1:] == ["closed"]
        for job_id in (made.id, UNKNOWN):
            with pytest.raises(NotFound):
                await anext(client.follow(job_id))

    async def test_closed_client_ends_its_streams(self, app: App) -> None:
        """Those that are live, and those that wait for a server."""
        made = await jobs.make(app)
        async with (
            Client(app.url) as live,
            Client("http://127.0.0.1:1") as waiting,
            following(live, made.id) as one,
            following(waiting, made.id) as other,
        ):
            await one.until(made.version)
            await eventually(lambda: "reconnecting" in other.states)
            await live.close()
            await waiting.close()
            await eventually(lambda: one.ended and other.ended)
        await eventually(lambda: app.container.hub.watchers == 0)

    async def test_left_stream_leaves_no_watcher(self, app: App, client: Client) -> None:
        """A `break` is enough."""
        made = await jobs.make(app)
        async for message in client.follow(made.id):
            assert message.job.id == made.id
            break
        await eventually(lambda: app.container.hub.watchers == 0)


class TestInterruptions:
    """No gap, no repeat, and nothing shown that is older: the follower checks each message."""

    async def test_cut_lines_lose_no_event(self, app: App) -> None:
        """Lines that break at any moment, while the job changes."""
        made = await jobs.make(app, *[jobs.scene(f"Scene {n}") for n in range(4)], provider="external", start=True)
        chance = jobs.seeded("cuts")
        async with (
            line_to(app) as line,
            Client(f"http://127.0.0.1:{line.port}") as client,
            following(client, made.id) as one,
            following(client, made.id) as other,
        ):
            await asyncio.gather(one.until(made.version), other.until(made.version))
            version = made.version
            for _ in range(CUTS):
                changing = asyncio.create_task(change_at_random(app, made, 12))
                await eventually(lambda: all(each.states[-1:] == ["live"] for each in (one, other)))
                for _ in range(chance.randrange(20)):
                    await asyncio.sleep(0)
                line.cut()
                version = max(version, await changing)
            version = await jobs.retitle(app, made.id, "The end")
            await asyncio.gather(one.until(version), other.until(version))
            truth = await client.job(made.id)
        for follower in (one, other):
            assert follower.events == list(range(made.version + 1, version + 1))
            assert (follower.reasons, follower.job) == (["INITIAL"], truth)
            assert "reconnecting" in follower.states

    async def test_frozen_line_is_noticed_and_replaced(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is closed: the client notices that its pings are not answered."""
        monkeypatch.setattr(websocket, "PING_SECONDS", 0.2)
        monkeypatch.setattr(websocket, "PONG_SECONDS", 0.5)
        made = await jobs.make(app)
        async with (
            line_to(app) as line,
            Client(f"http://127.0.0.1:{line.port}") as client,
            following(client, made.id) as follower,
        ):
            await follower.until(made.version)
            line.freeze()
            version = await jobs.retitle(app, made.id, "Missed")
            await follower.until(version)
            assert follower.job.title == "Missed"
            assert (follower.events, follower.reasons) == ([version], ["INITIAL"])

    async def test_slow_reader_gets_a_lagged_snapshot(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """In place of the events that the server does not buffer; later events follow it."""
        monkeypatch.setattr(websocket, "UNREAD_MESSAGES", 1)
        monkeypatch.setattr(websocket, "PING_SECONDS", 3600.0)
        wide = [{"prompt": "x", "metadata": {"pad": "x" * 16_000}} for _ in range(30)]
        async with running(tmp_path, subscriber_events=4, renders=False) as app, Client(app.url) as client:
            made = await jobs.make(app, *wide, provider="external")
            stream = client.follow(made.id)
            first = await anext(stream)
            version = made.version
            for number in range(60):
                version = await jobs.retitle(app, made.id, f"Title {number}")
            seen = [first]
            while seen[-1].job.title != "Title 59" or not any(
                isinstance(message, Snapshot) and message.reason == "LAGGED" for message in seen
            ):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    seen.append(await anext(stream))
            await stream.aclose()
        versions = [message.version for message in seen if not isinstance(message, SceneProgress)]
        assert versions == sorted(set(versions))
        assert len(versions) < version
        assert seen[-1].job.version == version

    async def test_rate_limit_and_restart_delay_the_stream(
        self, app: App, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The client waits as long as the server says, and does not give up."""
        made = await jobs.make(app)
        requests = itertools.count()

        def refuse_first(_: Rates, __: HTTPConnection) -> None:
            if next(requests) < 2:
                raise TooManyRequests("Too many requests", 0.01)

        monkeypatch.setattr(Rates, "request", refuse_first)
        async with following(client, made.id) as follower:
            await follower.until(made.version)
            assert next(requests) == 3
            await app.container.connections.close(CloseCode.SERVICE_RESTART, "Service restart", lambda _: True)
            version = await jobs.retitle(app, made.id, "Restarted")
            await follower.until(version)
        assert follower.events == [version]


class TestTokens:
    """Streams of a server that requires a token."""

    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncGenerator[ProductionServer]:
        """A production server."""
        async with production_server(tmp_path) as server:
            yield server

    async def test_expired_token_is_replaced_without_a_gap(self, server: ProductionServer) -> None:
        """Each connection has the next token of the callback."""
        amy: RawClient = server.user("amy")
        made = await jobs.make(amy)
        given: list[str] = []

        def next_token() -> str:
            given.append(token("amy", lasts=1.2 if len(given) < 2 else 3600, number=len(given)))
            return given[-1]

        async with Client(server.app.url, next_token) as client, following(client, made.id) as follower:
            await follower.until(made.version)
            await eventually(lambda: len(given) >= 3)
            version = await jobs.retitle(amy, made.id, "With another token")
            await follower.until(version)
            assert (follower.events, follower.reasons) == ([version], ["INITIAL"])

    async def test_refused_token_ends_the_stream(self, server: ProductionServer) -> None:
        """Where there is no other, or the other one is refused as well."""
        made = await jobs.make(server.user("amy"))
        numbers = itertools.count()

        def forged() -> str:
            return token("amy", secret="of another server, of 32 bytes", number=next(numbers))

        for source in (forged(), forged, None):
            async with Client(server.app.url, source) as client:
                with pytest.raises(TokenRefused):
                    await anext(client.follow(made.id))
        assert next(numbers) == 3
