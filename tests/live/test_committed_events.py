"""Events that this process has committed: the watchers of their job receive them without a read of the log."""

import asyncio
from pathlib import Path

import pytest

from coordinator.bus.port import Message
from coordinator.live.reader import JobUpdate, Reader
from models.db.database import Connection
from models.db.rows import EventRow
from models.domain.access import LOCAL
from models.reads import queries
from tests.support import jobs
from tests.support.event_watcher import EventWatcher
from tests.support.factories import a_job_of, report
from tests.support.internals import row_of
from tests.support.job_feed import FEED, ClientView, truth
from tests.support.scene_batches import BATCHES, batch
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("database", "no_resync")]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that readers read from now on."""
    found: list[str] = []
    read = Reader._read  # pyright: ignore[reportPrivateUsage]  # to count

    async def count(self: Reader) -> JobUpdate:
        found.append(self.job_id)
        return await read(self)

    monkeypatch.setattr(Reader, "_read", count)
    return found


def lose(_: Message) -> None:
    """Publish nothing."""


async def change_everything(app: App, made: jobs.Made) -> int:
    """Make changes of most kinds, some with several events. Return the last version."""
    await jobs.retitle(app, made.id, "Räume 🎬")
    await jobs.change(app, "updateScene", sceneId=made.scenes[1], title="Two", metadata={"a": [1.5, None]})
    await jobs.change(app, "reorderScenes", jobId=made.id, sceneIds=made.scenes[::-1])
    await report(app, made.scenes[0], "PROCESSING", "COMPLETED")
    await jobs.change(app, "cancelJob", jobId=made.id)
    return (await row_of(app, made.id)).version


async def test_received_events_are_those_of_the_log(tmp_path: Path, reads: list[str]) -> None:
    """Equal in every column, although nothing was read."""
    watcher = EventWatcher()
    async with running(tmp_path) as app:
        made = await jobs.make(app, jobs.scene("One"), jobs.scene("Two"), provider="external")
        async with app.container.hub.join(made.id, watcher, LOCAL) as position:
            last = await change_everything(app, made)
            async with app.container.store.read() as connection:
                log = await queries.events_after(connection, made.id, position, 100)
    assert [event.version for event in log] == list(range(2, last + 1))
    assert watcher.events == log
    assert [str(event) for event in watcher.events] == [str(event) for event in log]
    assert reads == []


async def test_batches_hand_over_what_they_commit(tmp_path: Path, reads: list[str]) -> None:
    """Neither what a refused item undid, nor what a dry run or a batch that was refused as a whole rolled back."""
    rng, watcher = jobs.seeded("batches"), EventWatcher()
    async with running(tmp_path) as app:
        made = await a_job_of(app, "PENDING", "PROCESSING", "COMPLETED", "COMPLETED", "FAILED", "CANCELED")
        async with app.container.hub.join(made.id, watcher, LOCAL) as position:
            for _ in range(40):
                await batch(
                    app,
                    rng.choice(list(BATCHES)),
                    jobId=made.id,
                    sceneIds=rng.sample([*made.scenes, made.id], rng.randint(1, 5)),
                    policy=rng.choice(["BEST_EFFORT", "BEST_EFFORT", "ALL_OR_NOTHING"]),
                    dryRun=rng.random() < 0.2,
                )
            async with app.container.store.read() as connection:
                log = await queries.events_after(connection, made.id, position, 1_000)
    assert log
    assert [str(event) for event in watcher.events] == [str(event) for event in log]
    assert reads == []


async def test_events_of_other_processes_and_of_this_one_arrive_in_order(tmp_path: Path, reads: list[str]) -> None:
    """A change whose hint is lost, or that another process made, is read before the next one of this process."""
    rng = jobs.seeded("two processes")
    view = ClientView(None)
    async with running(tmp_path) as app:
        made = await jobs.make(app, jobs.scene("One"), provider="external")
        version = made.version
        publish = app.container.bus.publish
        async with app.subscribe(FEED, jobId=made.id) as stream:
            view.show((await stream.next())["jobEvents"])
            for number in range(30):
                with pytest.MonkeyPatch.context() as lost:
                    if number < 29 and rng.random() < 0.4:
                        lost.setattr(app.container.bus, "publish", lose)
                    version = await jobs.retitle(app, made.id, f"Title {number}")
            assert app.container.bus.publish == publish
            while view.version != version:
                view.show((await stream.next())["jobEvents"])
        expected = await truth(app, made.id)
    assert view.state() == expected
    assert reads


async def test_change_during_a_read_of_its_job_arrives_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read finds the event, and the hint comes before the read has ended."""
    watcher = EventWatcher()
    async with running(tmp_path) as app:
        made = await jobs.make(app, jobs.scene("One"), provider="external")
        bus, events_after = app.container.bus, queries.events_after
        changed = asyncio.Event()

        async def change_meanwhile(connection: Connection, job_id: str, after: int, limit: int) -> list[EventRow]:
            monkeypatch.setattr(queries, "events_after", events_after)
            hints: list[Message] = []
            with pytest.MonkeyPatch.context() as late:
                late.setattr(bus, "publish", hints.append)
                await jobs.retitle(app, made.id, "Meanwhile")
            found = await events_after(connection, job_id, after, limit)
            for hint in hints:
                bus.publish(hint)
            changed.set()
            return found

        async with app.container.hub.join(made.id, watcher, LOCAL):
            await report(app, made.scenes[0], "PROCESSING")
            monkeypatch.setattr(queries, "events_after", change_meanwhile)
            await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], percentage=10.0)
            await changed.wait()
            last = await jobs.retitle(app, made.id, "Last")
            await eventually(lambda: watcher.events[-1].version >= last)
    assert [event.version for event in watcher.events] == list(range(2, last + 1))
