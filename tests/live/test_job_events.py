"""Subscription.jobEvents: every event of one job, in order, without gaps or duplicates."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from coordinator.live.hub import Hub
from models.db.database import Connection, Database
from models.db.tables import EVENT
from models.domain.access import LOCAL
from models.writes.store import Store
from schema.feed import SceneProgress
from subscriptions.feed import Feed
from subscriptions.job_events import JobEvents
from tests.support import jobs
from tests.support.client import Json
from tests.support.internals import context_of, info_of, row_of
from tests.support.job_feed import FEED, ClientView, events, messages_until_complete, next_messages, truth
from tests.support.server_app import App

pytestmark = pytest.mark.usefixtures("no_resync")

PLAIN = "subscription($id: ID!, $after: Int) { jobEvents(jobId: $id, after: $after) { __typename } }"


async def refusal(app: App, **variables: object) -> Json:
    """Return the only error of a subscription that is refused."""
    async with app.subscribe(PLAIN, **variables) as stream:
        with pytest.raises(AssertionError) as caught:
            await stream.next()
    (error,) = caught.value.args[0]["payload"]
    return {"code": error["extensions"]["code"], "field": error["extensions"].get("field")}


async def job_with_events(app: App, length: int) -> str:
    """Create a job whose log has this number of events. Return its id."""
    made = await jobs.make(app, provider="external")
    for number in range(2, length + 1):
        await app.container.coordinator.commands().jobs.update(LOCAL, made.id, {"title": f"Title {number}"})
    return made.id


async def prune(app: App, job_id: str, below: int) -> None:
    """Delete the events before a version, as the retention does."""
    async with app.container.store.write() as connection:
        await connection.execute(sa.delete(EVENT).where(EVENT.c.job_id == job_id, EVENT.c.version < below))


class TestStart:
    """The first messages, depending on the version that the client resumes after."""

    async def test_subscription_without_a_version_starts_with_a_snapshot(self, app: App) -> None:
        """One snapshot of the current state, then each event."""
        made = await jobs.make(app, jobs.scene("One"), jobs.scene("Two"), provider="external")
        async with app.subscribe(FEED, jobId=made.id) as stream:
            first = await next_messages(stream, 1)
            await jobs.retitle(app, made.id, "Renamed")
            await jobs.change(app, "updateScene", sceneId=made.scenes[1], prompt="Zwei")
            later = await next_messages(stream, 2)
        one, two = (
            {"id": scene_id, "title": None, "prompt": prompt, "status": "PENDING"}
            for scene_id, prompt in zip(made.scenes, ("One", "Two"), strict=True)
        )
        job: Json = {"id": made.id, "title": "A day at the coast", "status": "PENDING", "version": 1}
        assert first == [
            {"kind": "JobSnapshot", "reason": "INITIAL", "version": 1, "job": job | {"scenes": {"nodes": [one, two]}}}
        ]
        assert [(each["version"], each["type"], each["scene"]) for each in later] == [
            (2, "JOB_UPDATED", None),
            (3, "SCENE_UPDATED", two | {"prompt": "Zwei", "deletedAt": None}),
        ]

    @pytest.mark.parametrize("after", [0, 1, 3, 4])
    async def test_subscription_after_a_version_starts_with_the_missed_events(self, app: App, after: int) -> None:
        """Each missed event once, then the live ones."""
        job_id = await job_with_events(app, 4)
        async with app.subscribe(FEED, jobId=job_id, after=after) as stream:
            missed = await next_messages(stream, 4 - after)
            await jobs.retitle(app, job_id, "Live")
            live = await next_messages(stream, 1)
        assert events(missed + live) == [
            (version, "JOB_CREATED" if version == 1 else "JOB_UPDATED") for version in range(after + 1, 6)
        ]

    async def test_more_missed_events_than_one_page_are_all_sent(self, app: App) -> None:
        """More events are recorded while the missed ones are read."""
        job_id = await job_with_events(app, 410)
        async with app.subscribe(FEED, jobId=job_id, after=0) as stream:
            first = await next_messages(stream, 10)
            await asyncio.gather(*(jobs.retitle(app, job_id, f"Live {number}") for number in range(20)))
            rest = await next_messages(stream, 420)
        assert [version for version, _ in events(first + rest)] == list(range(1, 431))

    async def test_subscription_after_a_future_version_starts_with_a_snapshot(self, app: App) -> None:
        """A client that is ahead of the server has followed another database: it starts again."""
        job_id = await job_with_events(app, 2)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await next_messages(stream, 1)
            await jobs.retitle(app, job_id, "Live")
            later = await next_messages(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 2)
        assert events(later) == [(3, "JOB_UPDATED")]

    async def test_null_version_is_the_same_as_no_version(self, app: App) -> None:
        """A client without a version may send its variable nevertheless."""
        job_id = await job_with_events(app, 2)
        async with app.subscribe(FEED, jobId=job_id, after=None) as stream:
            (first,) = await next_messages(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "INITIAL", 2)

    async def test_subscription_after_a_negative_version_is_refused(self, app: App) -> None:
        """The error names the argument."""
        job_id = await job_with_events(app, 1)
        assert await refusal(app, id=job_id, after=-1) == {"code": "VALIDATION_FAILED", "field": ["after"]}

    @pytest.mark.parametrize("job_id", ["job_01h455vb4pex5vsknk084sn02q", "scene", "\0"])
    async def test_subscription_of_an_unknown_job_is_refused(self, app: App, job_id: str) -> None:
        """The hub keeps no watcher for it."""
        assert await refusal(app, id=job_id) == {"code": "NOT_FOUND", "field": ["jobId"]}
        assert app.container.hub.watchers == 0

    async def test_delayed_notification_of_an_event_in_the_snapshot_is_not_sent_again(self, app: App) -> None:
        """The snapshot was read before the reader of the job had notified its watchers of the event."""
        made = await jobs.make(app, provider="external")
        store = GatedStore(app.container.database)
        hub = Hub(store, app.container.bus)
        context = replace(context_of(app), hub=hub)
        async with hub.join(made.id, Feed()):
            store.open.clear()
            await jobs.retitle(app, made.id, "Late")
            feed = JobEvents(info_of(context), await row_of(app, made.id), None, until_settled=False)
            async with aclosing(feed.messages()) as messages:
                first = await anext(messages)
                second = asyncio.ensure_future(anext(messages))
                # The reader is blocked; within this time the subscriber finishes every read of its own.
                done, _ = await asyncio.wait([second], timeout=0.1)
                store.open.set()
                await jobs.retitle(app, made.id, "Live")
                received = [first, await second]
        await hub.stop()
        assert not done
        assert [each.version for each in received if not isinstance(each, SceneProgress)] == [2, 3]


class GatedStore(Store):
    """A store that can block its readers."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.open = asyncio.Event()
        self.open.set()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """Read once the gate is open."""
        await self.open.wait()
        async with super().read() as connection:
            yield connection


class TestTruncatedLog:
    """The retention has deleted events that the client missed."""

    async def test_subscription_after_a_version_older_than_the_log_starts_with_a_snapshot(self, app: App) -> None:
        """The live events follow it."""
        job_id = await job_with_events(app, 6)
        await prune(app, job_id, below=5)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await next_messages(stream, 1)
            await jobs.retitle(app, job_id, "Live")
            later = await next_messages(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 6)
        assert first["job"]["title"] == "Title 6"
        assert events(later) == [(7, "JOB_UPDATED")]

    async def test_subscription_can_resume_with_the_oldest_retained_event(self, app: App) -> None:
        """A client that has seen every deleted event misses none."""
        job_id = await job_with_events(app, 6)
        await prune(app, job_id, below=5)
        async with app.subscribe(FEED, jobId=job_id, after=4) as stream:
            assert events(await next_messages(stream, 2)) == [(5, "JOB_UPDATED"), (6, "JOB_UPDATED")]

    async def test_subscription_with_an_empty_log_starts_with_a_snapshot(self, app: App) -> None:
        """An empty log does not mean that no event was recorded."""
        job_id = await job_with_events(app, 6)
        await prune(app, job_id, below=7)
        async with app.subscribe(FEED, jobId=job_id, after=3) as stream:
            (first,) = await next_messages(stream, 1)
        assert (first["kind"], first["reason"], first["version"]) == ("JobSnapshot", "LOG_TRUNCATED", 6)
        async with app.subscribe(FEED, jobId=job_id, after=6) as stream:
            await jobs.retitle(app, job_id, "Live")
            assert events(await next_messages(stream, 1)) == [(7, "JOB_UPDATED")]


class TestEnd:
    """The condition under which a stream ends."""

    async def test_until_settled_stream_ends_when_the_job_settles(self, app: App) -> None:
        """It ends after exactly the events of the log were sent."""
        made = await jobs.make(app, jobs.scene(), jobs.scene(outcome="fail"))
        async with app.subscribe(FEED, jobId=made.id, untilSettled=True) as stream:
            view = ClientView()
            view.show((await stream.next())["jobEvents"])
            await jobs.change(app, "startJob", jobId=made.id)
            messages = await messages_until_complete(stream)
        for message in messages:
            view.show(message)
        received = events(messages)
        assert received == [
            (each["version"], each["type"]) for each in await jobs.log(app, made.id, after=made.version)
        ]
        assert received[0] == (2, "JOB_STARTED")
        assert received[-1][1] == "JOB_SETTLED"
        assert view.state() == await truth(app, made.id)
        assert view.job["status"] == "FAILED"

    async def test_until_settled_stream_of_a_settled_job_ends_at_once(self, app: App) -> None:
        """After a snapshot, the missed events or nothing, depending on the client's version."""
        made = await jobs.make(app, start=True)
        last = await jobs.at_rest(app, made.id)
        received: list[list[tuple[str, int]]] = []
        for after in (None, last - 1, last, last + 1):
            async with app.subscribe(FEED, jobId=made.id, after=after, untilSettled=True) as stream:
                received.append(
                    [(message["kind"], message["version"]) for message in await messages_until_complete(stream)]
                )
        assert received == [[("JobSnapshot", last)], [("JobEvent", last)], [], [("JobSnapshot", last)]]

    async def test_stream_without_until_settled_stays_open(self, app: App) -> None:
        """A settled job can be regenerated, and its events follow."""
        made = await jobs.make(app, start=True)
        await jobs.at_rest(app, made.id)
        async with app.subscribe(FEED, jobId=made.id) as stream:
            await next_messages(stream, 1)
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0])
            types: list[str] = []
            while types[-1:] != ["JOB_SETTLED"]:
                types += [kind for _, kind in events(await next_messages(stream, 1))]
        assert types == ["SCENE_REGENERATED", "SCENE_STARTED", "SCENE_UPDATED", "SCENE_COMPLETED", "JOB_SETTLED"]

    async def test_until_settled_stream_goes_on_when_the_job_was_restarted_meanwhile(self, app: App) -> None:
        """The job must be settled now, not at some earlier version."""
        made = await jobs.make(app, provider="external")
        (scene_id,) = made.scenes
        await jobs.change(app, "updateScene", sceneId=scene_id, status="COMPLETED")
        version = await jobs.change(app, "regenerateScene", sceneId=scene_id)
        async with app.subscribe(FEED, jobId=made.id, after=1, untilSettled=True) as stream:
            missed = await next_messages(stream, version - 1)
            await jobs.change(app, "cancelScene", sceneId=scene_id)
            rest = await messages_until_complete(stream)
        assert [kind for _, kind in events(missed)].count("JOB_SETTLED") == 1
        assert events(rest) == [(version + 1, "SCENE_CANCELED"), (version + 2, "JOB_SETTLED")]
