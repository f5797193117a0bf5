"""Streams that server-sent events and websockets share, and subscriptions that only look alike."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.db.snapshot import Snapshot
from server.transports.shared.execution import MessageExecution
from tests.support import jobs
from tests.support.client import NO_AUTHORITIES, Json
from tests.support.job_feed import FEED, ClientView, truth
from tests.support.multiplexed import multiplexed
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("no_resync")

REQUIRED = """subscription($id: ID!, $after: Int!) {
    jobEvents(jobId: $id, after: $after) { ... on JobSnapshot { version } ... on JobEvent { version } }
}"""


class Events:
    """The messages of one event stream, as sent."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def data(self) -> str | None:
        """Return the data of the next message; None at `complete`."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for line in self._lines:
                if line == "event: complete":
                    return None
                if line.startswith("data: {"):
                    return line.removeprefix("data: ")
        raise ConnectionError("the stream ended without `complete`")


def value_of(text: str | None) -> Json:
    """Return the value of `jobEvents` in a message."""
    assert text is not None
    return json.loads(text)["data"]["jobEvents"]


@asynccontextmanager
async def events(app: App, query: str, **variables: object) -> AsyncGenerator[Events]:
    """Subscribe over server-sent events."""
    async with (
        httpx.AsyncClient(base_url=app.url, timeout=TIMEOUT_SECONDS, verify=NO_AUTHORITIES) as http,
        http.stream(
            "POST",
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"accept": "text/event-stream"},
        ) as response,
    ):
        yield Events(response)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server whose streams buffer few events."""
    async with running(tmp_path, subscriber_events=8) as app:
        yield app


async def test_event_streams_and_websockets_get_the_same_bytes_of_one_execution(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is executed for each that joins later, an event once for all."""
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    executed: list[object] = []
    execute = MessageExecution.execute

    async def count(self: MessageExecution, value: object) -> object:
        executed.append(value)
        return await execute(self, value)

    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(events(app, FEED, jobId=made.id)) for _ in range(3)]
        socket = await stack.enter_async_context(multiplexed(app))
        await socket.subscribe("1", FEED, jobId=made.id)
        await socket.feed("1")
        views = [ClientView() for _ in streams]
        for stream, view in zip(streams, views, strict=True):
            view.show(value_of(await stream.data()))
        assert app.container.hub.watchers == 1
        monkeypatch.setattr(MessageExecution, "execute", count)
        for number in range(3):
            await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], prompt=f"Prompt {number}")
            texts = [await stream.data() for stream in streams]
            assert texts == [texts[0]] * 3
            assert value_of(texts[0]) == await socket.feed("1")
            for view in views:
                view.show(value_of(texts[0]))
        assert len(executed) == 3
        assert [view.state() for view in views] == [await truth(app, made.id)] * 3


async def test_event_stream_that_comes_back_gets_what_it_missed_and_completes(app: App) -> None:
    """With a version, and until the job has settled."""
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    for number in range(20):
        await jobs.retitle(app, made.id, f"Title {number}")
    async with events(app, FEED, jobId=made.id, after=3, untilSettled=True) as stream:
        view = ClientView(3)
        while view.version != 21:
            view.show(value_of(await stream.data()))
        await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], status="COMPLETED")
        last = (await jobs.job(app, made.id, "version"))["version"]
        while (text := await stream.data()) is not None:
            view.show(value_of(text))
    assert view.version == last
    assert view.reasons == []


@pytest.mark.parametrize("comes_first", [True, False], ids=["first", "second"])
async def test_missing_required_version_is_an_error_of_its_subscriber_alone(app: App, comes_first: bool) -> None:
    """It neither ends the streams of subscribers that state a version, nor gets theirs."""
    made = await jobs.make(app, provider="external")
    asked: list[tuple[str, Json]] = [("wrong", {}), ("null", {"after": None}), ("right", {"after": 0})]
    async with multiplexed(app) as socket:
        for id_, variables in asked if comes_first else reversed(asked):
            await socket.subscribe(id_, REQUIRED, id=made.id, **variables)
        assert (await socket.feed("right"))["version"] == 1
        assert [(await socket.message(id_))["type"] for id_ in ("wrong", "null")] == ["error", "error"]
        version = await jobs.retitle(app, made.id, "Live")
        assert (await socket.feed("right"))["version"] == version


async def test_message_is_not_older_than_its_event_when_several_are_made_together(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is committed after the first of them was read; its own message follows in the same write."""
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    query = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { version scene { title } } } }"
    execute, titles = MessageExecution.execute, [f"Title {number}" for number in range(4)]

    async def change_afterwards(self: MessageExecution, value: object) -> object:
        result = await execute(self, value)
        if titles:
            await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], title=titles.pop(0))
        return result

    monkeypatch.setattr("server.transports.shared.pace.SECONDS", TIMEOUT_SECONDS)
    monkeypatch.setattr(MessageExecution, "execute", change_afterwards)
    async with app.subscribe(query, id=made.id) as stream:
        await stream.next()
        received = [(await stream.next())["jobEvents"] for _ in range(4)]
    assert [each["version"] for each in received] == [2, 3, 4, 5]
    assert [each["scene"]["title"] for each in received] == ["Title 0", "Title 1", "Title 2", "Title 3"]


async def test_events_that_wait_together_are_read_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """One snapshot of the database serves their messages."""
    made = await jobs.make(app, jobs.scene("One"), provider="external")
    query = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { version scene { title } } } }"
    execute, fetch = MessageExecution.execute, Snapshot.fetch
    reads: list[Snapshot] = []

    async def change_meanwhile(self: MessageExecution, value: object) -> object:
        monkeypatch.setattr(MessageExecution, "execute", execute)
        for number in range(3):
            await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], title=f"Title {number}")
        monkeypatch.setattr(Snapshot, "fetch", count)
        return await execute(self, value)

    async def count(self: Snapshot, *arguments: Any) -> Any:
        reads.append(self)
        return await fetch(self, *arguments)

    monkeypatch.setattr(MessageExecution, "execute", change_meanwhile)
    monkeypatch.setattr("server.transports.shared.pace.SECONDS", TIMEOUT_SECONDS)
    async with app.subscribe(query, id=made.id) as stream:
        await stream.next()
        received = [(await stream.next())["jobEvents"] for _ in range(3)]
    assert [each["version"] for each in received] == [2, 3, 4]
    assert {each["scene"]["title"] for each in received} == {"Title 2"}
    assert len(reads) == 1
