"""Updates that arrive at awkward instants reach the subscriber all the same: while it joins, and when a read fails."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.bus.port import Change, Message
from coordinator.live import reader
from coordinator.live.reader import Reader
from coordinator.storage import retention
from coordinator.storage.retention import Retention
from models.db.database import Connection, Database
from models.db.rows import EventRow, SceneRow
from models.domain.access import LOCAL
from models.domain.errors import Unavailable
from models.reads import queries
from models.reads.queries import JobHead
from tests.support import jobs
from tests.support.factories import a_job, accepted, report
from tests.support.internals import row_of
from tests.support.job_feed import FEED, ClientView, truth
from tests.support.server_app import App, running
from tests.support.stream_modes import MODES, use

# How long a stream that must wait is given to send a message that it must not send.
TOO_SOON_SECONDS = 0.3


async def test_job_events_committed_while_a_subscription_joins_are_sent(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscriber reads its first state only when the job's reader knows its position; otherwise events are lost.

    Without that wait the snapshot is of version 1, the reader begins at version 3, and versions 2 and 3 are never sent.
    """
    made = await a_job(app, "A kite")
    reading, may_read = asyncio.Event(), asyncio.Event()
    job_heads = queries.job_heads

    async def slow_job_heads(database: Database, job_ids: Sequence[str]) -> dict[str, JobHead]:
        reading.set()
        await may_read.wait()
        return await job_heads(database, job_ids)

    monkeypatch.setattr(queries, "job_heads", slow_job_heads)
    async with app.subscribe(FEED, jobId=made.id) as stream:
        first = asyncio.ensure_future(stream.next())
        await reading.wait()
        await asyncio.wait([first], timeout=TOO_SOON_SECONDS)
        for title in ("Two", "Three"):
            await jobs.retitle(app, made.id, title)
        may_read.set()
        snapshot = (await first)["jobEvents"]
        await jobs.retitle(app, made.id, "Four")
        versions = [snapshot["version"]]
        while versions[-1] < 4:
            versions.append((await stream.next())["jobEvents"]["version"])
    assert snapshot["kind"] == "JobSnapshot"
    assert versions == list(range(versions[0], 5))


def lose(_message: Message) -> None:
    """Publish nothing."""


def cannot_take(_reader: Reader, _change: Change) -> bool:
    """Make a reader read each event from the log, as those of other processes."""
    return False


class Progress:
    """A watcher of a job that keeps the scenes whose progress it was sent."""

    def __init__(self) -> None:
        self.scenes: list[str] = []
        self.received = asyncio.Event()

    def on_update(self, update: reader.JobUpdate) -> None:
        """Keep the ids of the running scenes."""
        self.scenes += [each.id for each in update.running]
        if update.running:
            self.received.set()


async def test_progress_tick_is_read_again_after_a_failed_read(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is unavailable for one read costs time, not the tick: no other tick needs to follow."""
    made = await a_job(app, "A kite")
    await report(app, made.scenes[0], "PROCESSING")
    running_scenes = queries.running_scenes
    failures = [Unavailable("UNAVAILABLE", "The database does not answer.")]

    async def unavailable_once(connection: Connection, scene_ids: Sequence[str]) -> list[SceneRow]:
        if failures:
            raise failures.pop()
        return await running_scenes(connection, scene_ids)

    monkeypatch.setattr(queries, "running_scenes", unavailable_once)
    watcher = Progress()
    async with app.container.hub.join(made.id, watcher, LOCAL):
        await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], percentage=40.0)
        async with asyncio.timeout(60):
            await watcher.received.wait()
    assert failures == []
    assert watcher.scenes == [made.scenes[0]]


async def test_progress_of_a_scene_reaches_the_dashboard(app: App) -> None:
    """jobsUpdated sends a job whose version has not changed when the percentage of one of its scenes has."""
    made = await a_job(app, "A kite", "A boat")
    await report(app, made.scenes[0], "PROCESSING")
    version = (await row_of(app, made.id)).version
    document = "subscription { jobsUpdated { id version progress { percentage } } }"
    async with app.subscribe(document) as stream:
        first = (await stream.next())["jobsUpdated"]
        await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], percentage=40.0)
        then = (await stream.next())["jobsUpdated"]
    assert first == {"id": made.id, "version": version, "progress": {"percentage": 0.0}}
    assert then == {"id": made.id, "version": version, "progress": {"percentage": 20.0}}


async def test_until_settled_stream_ends_only_after_the_last_event(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job settles after the stream has read its log and before the job's reader wakes: nothing is left out."""
    made = await a_job(app, "A kite")
    await report(app, made.scenes[0], "PROCESSING")
    version = (await row_of(app, made.id)).version
    settled, may_read = asyncio.Event(), asyncio.Event()
    events_after = queries.events_after
    settle = [report(app, made.scenes[0], "COMPLETED")]

    async def slow_reader(connection: Connection, job_id: str, after: int, limit: int) -> list[EventRow]:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith("reader of"):
            await may_read.wait()
        events = await events_after(connection, job_id, after, limit)
        if settle:
            await asyncio.create_task(settle.pop())
            settled.set()
        return events

    monkeypatch.setattr(Reader, "_can_take", cannot_take)
    monkeypatch.setattr(queries, "events_after", slow_reader)
    document = """subscription($id: ID!, $after: Int) {
        jobEvents(jobId: $id, after: $after, untilSettled: true) { ... on JobEvent { type } }
    }"""
    async with app.subscribe(document, id=made.id, after=version) as stream:
        rest = asyncio.create_task(stream.rest())
        await settled.wait()
        await asyncio.wait([rest], timeout=TOO_SOON_SECONDS)
        may_read.set()
        types = [message["jobEvents"]["type"] for message in await rest]
    assert types == ["SCENE_COMPLETED", "JOB_SETTLED"]


@pytest.mark.usefixtures("no_resync")
async def test_change_with_more_events_than_one_read_of_the_hub_is_sent_whole(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's reader goes on until a read is not full, without another hint."""
    monkeypatch.setattr(reader, "EVENTS_A_READ", 2)
    monkeypatch.setattr(Reader, "_can_take", cannot_take)
    made = await a_job(app, "One", "Two", "Three", "Four", "Five")
    async with app.subscribe(FEED, jobId=made.id) as stream:
        version = (await stream.next())["jobEvents"]["version"]
        await accepted(app, "cancelJob", jobId=made.id)
        last = (await row_of(app, made.id)).version
        async with asyncio.timeout(60):
            versions = [(await stream.next())["jobEvents"]["version"] for _ in range(last - version)]
    assert len(versions) >= 5
    assert versions == list(range(version + 1, last + 1))


@pytest.mark.both_databases
@pytest.mark.usefixtures("database", "no_resync")
@pytest.mark.parametrize("mode", MODES)
async def test_events_that_were_pruned_before_they_were_read_become_a_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A process that was held up for longer than the log is kept must not skip them without a word."""
    view = ClientView()
    async with running(tmp_path, **use(mode, monkeypatch)) as app:
        made = await a_job(app, "A kite")
        async with app.subscribe(FEED, jobId=made.id) as stream:
            view.show((await stream.next())["jobEvents"])
            with pytest.MonkeyPatch.context() as lost:
                lost.setattr(app.container.bus, "publish", lose)
                for title in ("Two", "Three", "Four"):
                    await jobs.retitle(app, made.id, title)
            await retention.prune(app.container.store, Retention(1, timedelta(0)))
            last = await jobs.retitle(app, made.id, "Five")
            while view.version != last:
                view.show((await stream.next())["jobEvents"])
            last = await jobs.retitle(app, made.id, "Six")
            view.show((await stream.next())["jobEvents"])
        expected = await truth(app, made.id)
    assert view.reasons == ["INITIAL", "LAGGED"]
    assert view.version == last
    assert view.state() == expected
