"""Subscription.jobEvents when the client reads too slowly or reconnects: no event is lost or sent twice."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from strawberry.dataloader import DataLoader

from models.db.rows import JobRow
from schema.feed import JobSnapshot
from schema.loaders import Loaders
from subscriptions.job_events import JobEvents
from tests.support import jobs
from tests.support.client import Json, Stream
from tests.support.internals import context_of, flood, info_of, row_of
from tests.support.job_feed import FEED, ClientView, messages_until_complete, truth
from tests.support.server_app import App, running

pytestmark = pytest.mark.usefixtures("no_resync")


@asynccontextmanager
async def subscribe_without_reading(app: App, document: str, **variables: object) -> AsyncGenerator[Stream]:
    """Subscribe with a client that does not read its socket: the server's buffers fill up."""
    async with app.subscribe(document, **variables) as stream:
        stream.socket.transport.pause_reading()
        yield stream


class TestLaggingClient:
    """More events are recorded than the server buffers for the client."""

    async def test_lagging_client_receives_a_snapshot_in_place_of_dropped_events(self, tmp_path: Path) -> None:
        """Events in order, a snapshot in each gap, events in order: the view equals the database at the end."""
        # Copies of the title make messages of 40 KB, so that a few fill the buffers of the kernel.
        wide = FEED.replace(
            "fragment J on Job {", f"fragment J on Job {{ {' '.join(f't{n}: title' for n in range(200))}"
        )
        room: Json = {"limit_aliases": 1_000, "limit_tokens": 10_000}
        async with running(tmp_path, subscriber_events=8, **room) as app:
            made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
            async with subscribe_without_reading(app, wide, jobId=made.id) as stream:
                for number in range(60):
                    await jobs.retitle(app, made.id, f"{number} {'x' * 190}")
                    scene_id = made.scenes[number % 2]
                    await jobs.change(app, "updateScene", sceneId=scene_id, prompt=f"Prompt {number}")
                stream.socket.transport.resume_reading()
                view = ClientView()
                while view.version != 121:
                    view.show((await stream.next())["jobEvents"])
            # The kernel may take the first snapshot before the events after it are too many as well.
            assert view.reasons[0] == "INITIAL"
            assert set(view.reasons[1:]) == {"LAGGED"}
            job, scenes = view.state()
            assert ({name: job[name] for name in ("id", "title", "status", "version")}, scenes) == await truth(
                app, made.id
            )

    async def test_overflow_while_a_lagged_snapshot_is_read_causes_another_snapshot(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second snapshot covers the events that were dropped after the first was read."""
        made = await jobs.make(app, provider="external")
        context = context_of(app, buffered_events=2)

        async def read_then_overflow(job_ids: list[str]) -> list[JobRow | None]:
            """Read the job, and return after more events than the buffer holds."""
            rows: list[JobRow | None] = [await row_of(app, job_id) for job_id in job_ids]
            await flood(app, made.id, 5)
            return rows

        feed = JobEvents(info_of(context), await row_of(app, made.id), None, until_settled=False)
        async with aclosing(feed.messages()) as messages:
            await anext(messages)
            live = asyncio.ensure_future(anext(messages))
            await jobs.retitle(app, made.id, "Live")
            await live
            await flood(app, made.id, 5)
            overflowing = DataLoader(read_then_overflow, cache=False)
            with monkeypatch.context() as patch:
                patch.setattr(Loaders, "job", overflowing)
                second = await anext(messages)
            third = await anext(messages)
        assert isinstance(second, JobSnapshot)
        assert isinstance(third, JobSnapshot)
        assert [second.reason, third.reason] == ["LAGGED", "LAGGED"]
        assert third.version == (await row_of(app, made.id)).version


class TestRandomReconnects:
    """Random writers, disconnects and resume positions."""

    async def test_reconnecting_clients_receive_every_version_once_and_in_order(self, tmp_path: Path) -> None:
        """The clients are disconnected and resume after any version, while three writers change the job."""
        rng = jobs.seeded("chaos")
        async with running(tmp_path, subscriber_events=6, event_retention_versions=10_000) as app:
            made = await jobs.make(app, *(jobs.scene(f"Scene {n}") for n in range(4)), provider="external")
            finished = asyncio.Event()
            watchers = [
                asyncio.create_task(follow_with_reconnects(app, made.id, random.Random(rng.random()), finished))
                for _ in range(4)
            ]
            accepted = await asyncio.gather(
                *(change_at_random(app, made.id, random.Random(rng.random()), 25) for _ in range(3))
            )
            finished.set()
            views = await asyncio.gather(*watchers)
            expected = await truth(app, made.id)
            log = await jobs.log(app, made.id, "version")
        assert sum(accepted) >= 30
        assert [event["version"] for event in log] == list(range(1, expected[0]["version"] + 1))
        assert [view.state() for view in views] == [expected] * len(views)
        assert sum(view.connections for view in views) > 2 * len(views)


class ReconnectingView(ClientView):
    """The view of a client that reconnects."""

    connections = 0


async def follow_with_reconnects(
    app: App, job_id: str, rng: random.Random, finished: asyncio.Event
) -> ReconnectingView:
    """Follow a job over many connections, each with a random position and end; then until it settles."""
    view = ReconnectingView()
    while not finished.is_set() or view.connections < 3:
        seen = view.version
        after = rng.choice([None, 0, seen, seen, seen, rng.randint(0, seen or 0), (seen or 0) + 1_000])
        view.resume(after)
        view.connections += 1
        async with app.subscribe(FEED, jobId=job_id, after=after) as stream:
            await read_some(stream, view, rng)
            if rng.random() < 0.5:
                stream.socket.transport.abort()
        if view.version == after and after != seen:
            view.resume(None)
    async with app.subscribe(FEED, jobId=job_id, after=view.version, untilSettled=True) as stream:
        for message in await messages_until_complete(stream):
            view.show(message)
    return view


async def read_some(stream: Stream, view: ClientView, rng: random.Random) -> None:
    """Read a random number of messages, or until none comes for 0.2 s; pause at times, as a busy client does."""
    for _ in range(rng.randint(1, 60)):
        try:
            async with asyncio.timeout(0.2):
                view.show((await stream.next())["jobEvents"])
        except TimeoutError:
            return
        if rng.random() < 0.02:
            await asyncio.sleep(rng.uniform(0, 0.3))


async def change_at_random(app: App, job_id: str, rng: random.Random, times: int) -> int:
    """Change a job at random, then cancel it so that it settles. Return the number of accepted changes."""
    accepted = 0
    for number in range(times):
        scenes = (await jobs.job(app, job_id, "scenes { nodes { id } }"))["scenes"]["nodes"]
        scene_id = rng.choice(scenes)["id"] if scenes else "scene"
        name, fields = rng.choice(changes(rng, number, job_id, scene_id))
        payload = await app.mutate(name, "errors { code }", **fields)
        accepted += not payload["errors"]
    await app.mutate("cancelJob", "errors { code }", jobId=job_id)
    return accepted


def changes(rng: random.Random, number: int, job_id: str, scene_id: str) -> list[tuple[str, Json]]:
    """Return the possible next mutations of a writer, as name and input."""
    status = rng.choice(["PROCESSING", "COMPLETED", "FAILED", "CANCELED"])
    return [
        ("updateJob", {"jobId": job_id, "title": f"Title {number} {rng.random()}"}),
        ("updateScene", {"sceneId": scene_id, "prompt": f"Prompt {number} {rng.random()}"}),
        ("updateScene", {"sceneId": scene_id, "status": status}),
        ("updateScene", {"sceneId": scene_id, "status": "PROCESSING", "percentage": rng.uniform(0, 100)}),
        ("regenerateScene", {"sceneId": scene_id}),
        ("regenerateScene", {"sceneId": scene_id, "prompt": f"Again {number}"}),
        ("cancelScene", {"sceneId": scene_id}),
        ("deleteScene", {"sceneId": scene_id}),
        ("addScene", {"jobId": job_id, "scene": {"prompt": f"Added {number}"}}),
        ("moveScene", {"sceneId": scene_id, "position": 0}),
        ("cancelJob", {"jobId": job_id}),
    ]
