"""SceneProgress messages of Subscription.jobEvents: sent beside the event log, and never in conflict with it."""

import asyncio

import pytest

from coordinator.live.reader import JobUpdate
from models.db.rows import EventRow
from models.domain.access import SYSTEM
from models.reads import queries
from subscriptions.feed import Feed, Running
from tests.support import jobs
from tests.support.client import Json
from tests.support.job_feed import FEED, messages_until_complete
from tests.support.scene_rows import running_row
from tests.support.server_app import App

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
