"""Streams of many subscribers: executed for each alone, or once for all; every subscriber receives the same."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from coordinator.bus.port import Change
from coordinator.live.reader import JobUpdate, Reader
from server.transports.shared.execution import MessageExecution
from tests.support import jobs
from tests.support.client import Json
from tests.support.job_feed import FEED, VERSIONS, ClientView, truth
from tests.support.multiplexed import Multiplexed, multiplexed
from tests.support.server_app import App, running
from tests.support.stream_modes import MODES, use
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_resync")

PROGRESS = "subscription($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) { version percentage } }"
AFTER = """subscription($id: ID!, $after: Int) {
    jobEvents(jobId: $id, after: $after) { ... on JobSnapshot { version } ... on JobEvent { version } }
}"""
IDS = ["1", "2", "a longer id", "öäü 🎬", 'with "quotes" and \\', "x" * 300]


@pytest.fixture(params=MODES)
async def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[App]:
    """A server in each mode, whose streams buffer few events."""
    async with running(tmp_path, subscriber_events=8, **use(request.param, monkeypatch)) as app:
        yield app


async def follow(app: App, job_id: str, rng: random.Random, last: asyncio.Future[int]) -> ClientView:
    """Follow a job from a random moment and version, at a random pace, up to its last version."""
    await asyncio.sleep(rng.uniform(0, 0.5))
    after = rng.choice([None, None, 0, 1, 2])
    view = ClientView(after)
    pauses = rng.random() < 0.3
    async with app.subscribe(FEED, jobId=job_id, after=after) as stream:
        while not last.done() or view.version != last.result():
            view.show((await stream.next())["jobEvents"])
            if pauses and rng.random() < 0.2:
                stream.socket.transport.pause_reading()
                await asyncio.sleep(rng.uniform(0, 0.1))
                stream.socket.transport.resume_reading()
    return view


async def test_every_subscriber_receives_every_version_once_and_ends_with_the_final_state(app: App) -> None:
    """Subscribers join at random, from different versions, some read slowly; the job changes at random."""
    rng = jobs.seeded("shared streams")
    made = await jobs.make(app, *(jobs.scene(f"Scene {n}") for n in range(3)), provider="external")
    last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    following = [asyncio.create_task(follow(app, made.id, random.Random(rng.random()), last)) for _ in range(12)]
    for number in range(40):
        scene_id = rng.choice(made.scenes)
        await app.mutate("updateScene", "errors { code }", sceneId=scene_id, prompt=f"Prompt {number}")
        if rng.random() < 0.3:
            await asyncio.sleep(rng.uniform(0, 0.05))
    # Known before the change, because its message may arrive before its response.
    last.set_result((await jobs.job(app, made.id, "version"))["version"] + 1)
    await jobs.retitle(app, made.id, "The last title")
    views = await asyncio.gather(*following)
    expected = await truth(app, made.id)
    assert [view.state() for view in views if view.job] == [expected] * len(views)


@pytest.mark.parametrize("wide", [False, True], ids=["small", "large"])
async def test_subscriber_that_reads_nothing_lags_alone(app: App, wide: bool) -> None:
    """The others get every event; the slow one a snapshot in place of the dropped ones, then the events after it."""
    metadata = {"pad": "x" * 12_000} if wide else {}
    document = FEED.replace("fragment J on Job {", "fragment J on Job { metadata")
    made = await jobs.make(app, provider="external", metadata=metadata)
    changes, version = 60 if wide else 30, 1
    async with AsyncExitStack() as stack:
        fast = [await stack.enter_async_context(app.subscribe(document, jobId=made.id)) for _ in range(3)]
        slow = await stack.enter_async_context(app.subscribe(document, jobId=made.id))
        for stream in (*fast, slow):
            await stream.next()
        slow.socket.transport.pause_reading()
        for number in range(changes):
            version = await jobs.retitle(app, made.id, f"Title {number} {'y' * 150}")
            for stream in fast:
                assert (await stream.next())["jobEvents"]["version"] == version
        slow.socket.transport.resume_reading()
        view = ClientView(1)
        while view.version != version:
            view.show((await slow.next())["jobEvents"])
        assert set(view.reasons) <= {"LAGGED"}
        assert bool(view.reasons) or not wide
        # It is in step again.
        version = await jobs.retitle(app, made.id, "In step")
        for stream in (*fast, slow):
            assert (await stream.next())["jobEvents"]["version"] == version


async def test_operations_of_one_socket_are_independent(app: App) -> None:
    """Equal subscriptions with ids of every kind, of which some end while others continue."""
    made = await jobs.make(app, provider="external")
    async with multiplexed(app) as socket:
        for id_ in IDS:
            await socket.subscribe(id_, VERSIONS, id=made.id)
            assert (await socket.feed(id_))["version"] == 1
        version = await jobs.retitle(app, made.id, "All")
        assert [(await socket.feed(id_))["version"] for id_ in IDS] == [version] * len(IDS)
        await socket.complete(IDS[0])
        await socket.complete(IDS[4])
        await socket.flush()
        version = await jobs.retitle(app, made.id, "Fewer")
        left = [id_ for id_ in IDS if id_ not in (IDS[0], IDS[4])]
        assert [(await socket.feed(id_))["version"] for id_ in left] == [version] * len(left)
        await socket.flush()
        assert [socket.unread(id_) for id_ in IDS] == [0] * len(IDS)
        await socket.subscribe(IDS[0], VERSIONS, id=made.id)
        assert (await socket.feed(IDS[0]))["version"] == version


async def test_subscribers_that_come_back_get_what_each_of_them_missed(app: App) -> None:
    """From every version at once, and from one that does not exist yet."""
    made = await jobs.make(app, provider="external")
    for number in range(24):
        await jobs.retitle(app, made.id, f"Title {number}")
    async with multiplexed(app) as one, multiplexed(app) as other:
        sockets: list[Multiplexed] = [one, other]
        for socket in sockets:
            for after in range(27):
                await socket.subscribe(str(after), AFTER, id=made.id, after=after)
        for socket in sockets:
            for after in range(26):
                versions = [(await socket.feed(str(after)))["version"] for _ in range(25 - after)]
                assert versions == list(range(after + 1, 26))
            assert (await socket.feed("26"))["version"] == 25
        version = await jobs.retitle(app, made.id, "Live")
        for socket in sockets:
            assert [(await socket.feed(str(after)))["version"] for after in range(27)] == [version] * 27
            await socket.flush()
            assert all(socket.unread(str(after)) == 0 for after in range(27))


async def test_first_message_of_each_subscriber_states_the_cost(app: App) -> None:
    """Of a snapshot, of a missed event and of a live one; no later message does."""
    made = await jobs.make(app, provider="external")
    await jobs.retitle(app, made.id, "Title")
    async with multiplexed(app) as socket:
        await socket.subscribe("snapshot", VERSIONS, id=made.id)
        first = await socket.payload("snapshot")
        await socket.subscribe("missed", AFTER, id=made.id, after=1)
        missed = await socket.payload("missed")
        await socket.subscribe("live", AFTER, id=made.id, after=2)
        await socket.subscribe("progress", PROGRESS, id=made.id)
        progress = await socket.payload("progress")
        await eventually(lambda: app.container.hub.watchers > 1)
        await socket.flush()
        await asyncio.sleep(0.1)
        await jobs.retitle(app, made.id, "Live")
        live = await socket.payload("live")
        later: list[Json] = [await socket.payload(id_) for id_ in ("snapshot", "missed", "progress")]
    assert [each["extensions"]["cost"]["requested"] > 0 for each in (first, missed, live, progress)] == [True] * 4
    assert [each.get("extensions") for each in later] == [None] * 3


async def test_latest_value_is_sent_once_to_those_who_join_later(app: App) -> None:
    """Those that join get the current value at once; then all get the same values, none twice."""
    made = await jobs.make(app, provider="external")
    async with multiplexed(app) as socket:
        for number in range(4):
            await socket.subscribe(str(number), PROGRESS, id=made.id)
            assert (await socket.payload(str(number)))["data"]["jobProgress"]["version"] == number + 1
            version = await jobs.retitle(app, made.id, f"Title {number}")
            for earlier in range(number + 1):
                assert (await socket.payload(str(earlier)))["data"]["jobProgress"]["version"] == version
        await socket.flush()
        assert [socket.unread(str(number)) for number in range(4)] == [0] * 4


async def test_until_settled_streams_end_together(app: App) -> None:
    """Those that join before the end, and those that join after it."""
    made = await jobs.make(app, provider="external")
    document = AFTER.replace("after: $after", "after: $after, untilSettled: true")
    async with multiplexed(app) as socket:
        for id_, after in (("a", None), ("b", None), ("c", 0)):
            await socket.subscribe(id_, document, id=made.id, after=after)
            assert (await socket.feed(id_))["version"] == 1
        await app.mutate("updateScene", "errors { code }", sceneId=made.scenes[0], status="COMPLETED")
        last = (await jobs.job(app, made.id, "version"))["version"]
        for id_ in "abc":
            assert [(await socket.feed(id_))["version"] for _ in range(last - 1)] == list(range(2, last + 1))
            assert await socket.message(id_) == {"id": id_, "type": "complete"}
        await socket.subscribe("d", document, id=made.id, after=last - 1)
        assert (await socket.feed("d"))["version"] == last
        assert await socket.message("d") == {"id": "d", "type": "complete"}


def cannot_take(_reader: Reader, _change: Change) -> bool:
    """Make a reader read each event from the log, as those of other processes."""
    return False


async def test_event_that_a_joining_subscriber_has_already_is_not_sent_to_it_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the state or the log before the reader of the job has notified the subscribers of the event."""
    made = await jobs.make(app, provider="external")
    opened = asyncio.Event()
    read = Reader._read  # pyright: ignore[reportPrivateUsage]  # to delay it

    async def read_when_opened(self: Reader) -> JobUpdate:
        await opened.wait()
        return await read(self)

    async with multiplexed(app) as socket:
        await socket.subscribe("before", AFTER, id=made.id)
        assert (await socket.feed("before"))["version"] == 1
        monkeypatch.setattr(Reader, "_can_take", cannot_take)
        monkeypatch.setattr(Reader, "_read", read_when_opened)
        await jobs.retitle(app, made.id, "Late")
        for id_, after in (("state", None), ("log", 1)):
            await socket.subscribe(id_, AFTER, id=made.id, after=after)
            assert (await socket.feed(id_))["version"] == 2
        opened.set()
        version = await jobs.retitle(app, made.id, "Live")
        received = {id_: (await socket.feed(id_))["version"] for id_ in ("before", "state", "log")}
        assert received == {"before": 2, "state": version, "log": version}
        assert (await socket.feed("before"))["version"] == version


async def test_messages_are_executed_once_for_all_subscribers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an event, for the state of those who join together, and for missed events."""
    executed: list[object] = []
    execute = MessageExecution.execute

    async def count(self: MessageExecution, value: object) -> object:
        executed.append(value)
        return await execute(self, value)

    monkeypatch.setattr(MessageExecution, "execute", count)
    async with running(tmp_path, **use("direct", monkeypatch)) as app:
        made = await jobs.make(app, provider="external")
        await jobs.retitle(app, made.id, "Title")
        async with multiplexed(app) as socket:
            ids = [str(number) for number in range(20)]
            for id_ in ids:
                await socket.subscribe(id_, AFTER, id=made.id, after=None if int(id_) % 2 else 1)
            for id_ in ids:
                await socket.feed(id_)
            joined = len(executed)
            await jobs.retitle(app, made.id, "Live")
            for id_ in ids:
                await socket.feed(id_)
        assert joined < 20
        assert len(executed) - joined == 1


@pytest.mark.parametrize("app", [mode for mode in MODES if mode != "alone"], indirect=True)
async def test_answer_to_change_is_sent_before_its_event(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client waits for the answer, and many for the event: here one."""
    for module in ("group", "members"):
        monkeypatch.setattr(f"server.transports.shared.{module}.MANY", 1)
    made = await jobs.make(app, provider="external")
    change = "mutation($id: ID!, $title: String!) { updateJob(input: {jobId: $id, title: $title}) { errors { code } } }"
    async with multiplexed(app) as socket:
        await socket.subscribe("events", VERSIONS, id=made.id)
        await socket.feed("events")
        for number in range(10):
            await socket.subscribe(f"change {number}", change, id=made.id, title=f"Title {number}")
            await socket.payload(f"change {number}")
            await socket.feed("events")
    first, *order = [each for each in socket.order if each != "connection_ack"]
    answered = [[f"change {number}", f"change {number}", "events"] for number in range(10)]
    assert (first, order) == ("events", [each for one in answered for each in one])
