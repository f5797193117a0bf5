"""SceneProgress messages of Subscription.jobEvents: sent beside the event log, and never in conflict with it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from coordinator.live.reader import JobUpdate
from models.db.rows import EventRow, SceneRow
from models.domain.access import SYSTEM
from models.reads import queries
from models.reads.listing import SCENE_KEY
from schema.feed import SceneProgress
from schema.types import scene_query
from subscriptions.feed import Feed, Running
from subscriptions.job_events import JobEvents
from subscriptions.job_messages import Message
from tests.support import jobs
from tests.support.client import Json
from tests.support.internals import context_of, info_of, row_of
from tests.support.job_feed import FEED, messages_until_complete
from tests.support.scene_rows import running_row
from tests.support.server_app import App
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_resync")


class TestSceneProgress:
    """Progress of running takes: in the stream, and in the buffer of a slow client."""

    async def test_progress_never_decreases_and_ends_with_its_take(self, app: App) -> None:
        """Through failures and retries, for clients that subscribe at any time."""
        rng = jobs.seeded("progress")
        plays: list[Json] = [{"steps": 12, "stepSeconds": 0.06}, {"steps": 7, "stepSeconds": 0.11, "failTakes": 1}]
        made = await jobs.make(app, *(jobs.scene(**play) for play in plays))
        async with app.subscribe(FEED, jobId=made.id, untilSettled=True) as early:
            await early.next()
            await jobs.change(app, "startJob", jobId=made.id)
            received = await asyncio.gather(
                messages_until_complete(early),
                *(messages_of_late_subscriber(app, made.id, rng.uniform(0, 1.2)) for _ in range(4)),
            )
        for messages in received:
            assert_progress_is_consistent(messages)
        takes = {
            message["takeNumber"] for messages in received for message in messages if message["kind"] == "SceneProgress"
        }
        assert takes == {1, 2}

    async def test_progress_older_than_the_snapshot_is_dropped(self, app: App) -> None:
        """Progress that was read before the scene completed does not follow a snapshot with the completed scene."""
        made = await jobs.make(app, provider="external")
        await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="PROCESSING")
        feed = Feed()
        feed.on_update(await job_update(app, made.id, running={made.scenes[0]: 50.0}))
        version = await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="COMPLETED")
        assert not feed.empty
        feed.forget(version)
        assert feed.empty

    async def test_progress_older_than_a_sent_event_shows_the_scene_as_it_is(self, app: App) -> None:
        """Progress that waited while events were sent is read again: with their version it would be a false state."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        running, over = made.scenes
        version = made.version
        for scene_id in made.scenes:
            version = await jobs.change(app, "updateScene", sceneId=scene_id, status="PROCESSING", percentage=60)
        old = await job_update(app, made.id, running={over: 50.0, running: 50.0})
        stream = StreamWithFeed(info_of(context_of(app)), await row_of(app, made.id), version, until_settled=False)
        async with aclosing(stream.messages()) as messages:
            event = asyncio.ensure_future(anext(messages))
            await eventually(lambda: stream.is_live)
            last = await jobs.change(app, "updateScene", sceneId=over, status="COMPLETED")
            assert isinstance(await event, EventRow)
            stream.feed.on_update(old)
            progress = await anext(messages)
        assert isinstance(progress, SceneProgress)
        assert (progress.scene_id, progress.percentage, progress.progress.version) == (running, 60, last)

    async def test_scenes_in_a_job_are_observed_as_those_of_events(self, app: App) -> None:
        """A stream remembers what it showed of each scene, whichever columns its document selects."""
        made = await jobs.make(app, jobs.scene(), jobs.scene())
        loaders, observed = context_of(app).loaders, list[object]()
        query, columns = scene_query(), ("title", *SCENE_KEY)
        with loaders.observed_by(observed.extend):
            found = await loaders.narrow.scenes_of_jobs([made.id], query, columns)
        assert [row.id for row in observed if isinstance(row, SceneRow)] == made.scenes
        assert found == await context_of(app).loaders.narrow.scenes_of_jobs([made.id], query, columns)

    async def test_only_the_newest_progress_of_each_scene_is_buffered(self, app: App) -> None:
        """A slow client receives events first, then the newest progress of each scene."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="external")
        feed = Feed()
        one, two = made.scenes
        for percentage in (10.0, 20.0, 30.0):
            feed.on_update(await job_update(app, made.id, running={one: percentage, two: percentage / 2}))
        feed.on_update(await job_update(app, made.id, after=0))
        received = [await feed.next() for _ in range(3)]
        assert feed.empty
        assert isinstance(received[0], EventRow)
        assert [each.scene.percentage for each in received[1:] if isinstance(each, Running)] == [30.0, 15.0]

    async def test_event_of_a_settled_scene_replaces_its_buffered_progress(self, app: App) -> None:
        """Progress is kept only while the scene runs."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        feed = Feed()
        feed.on_update(await job_update(app, made.id, running={scene_id: 10.0}))
        version = await jobs.change(app, "updateScene", sceneId=scene_id, status="COMPLETED")
        feed.on_update(await job_update(app, made.id, after=made.version))
        received = [await feed.next() for _ in range(version - made.version)]
        assert all(isinstance(each, EventRow) for each in received)
        assert feed.empty


class StreamWithFeed(JobEvents):
    """A stream with access to what it buffers. `is_live`: it has read the log, and buffers everything after it."""

    is_live = False

    @property
    def feed(self) -> Feed:
        return self._feed

    async def _live(self) -> AsyncGenerator[Message]:
        self.is_live = True
        async with aclosing(super()._live()) as messages:
            async for message in messages:
                yield message


async def job_update(
    app: App, job_id: str, running: dict[str, float] | None = None, after: int | None = None
) -> JobUpdate:
    """Return the update that the reader of a job would send to its watchers now, with this progress."""
    async with app.container.store.read() as connection:
        reading = (await queries.progress_snapshots(connection, SYSTEM, [job_id]))[job_id]
        events = [] if after is None else await queries.events_after(connection, job_id, after, 100)
    scenes = [running_row(id_, percentage) for id_, percentage in (running or {}).items()]
    return JobUpdate(events, scenes, reading)


async def messages_of_late_subscriber(app: App, job_id: str, seconds: float) -> list[Json]:
    """Subscribe after a delay. Return all messages."""
    await asyncio.sleep(seconds)
    async with app.subscribe(FEED, jobId=job_id, untilSettled=True) as stream:
        return await messages_until_complete(stream)


def assert_progress_is_consistent(messages: list[Json]) -> None:
    """Assert that only running takes report progress, and that it never decreases within a take."""
    highest: dict[tuple[str, int], float] = {}
    running: set[str] = set()
    for message in messages:
        match message["kind"]:
            case "JobSnapshot":
                running = {each["id"] for each in message["job"]["scenes"]["nodes"] if each["status"] == "PROCESSING"}
            case "JobEvent" if message["scene"] is not None:
                (running.add if message["type"] in ("SCENE_STARTED", "SCENE_UPDATED") else running.discard)(
                    message["scene"]["id"]
                )
            case "SceneProgress":
                assert message["sceneId"] in running
                take = (message["sceneId"], message["takeNumber"])
                assert message["percentage"] >= highest.get(take, 0.0)
                highest[take] = message["percentage"]
            case _:
                pass
