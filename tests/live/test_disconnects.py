"""However a subscriber goes, and however slowly it reads: nothing of it stays, and nobody else is kept waiting."""

import asyncio
import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import AsyncGeneratorType
from typing import cast

import pytest

from models.db.rows import EventRow
from models.domain.access import LOCAL
from tests.support import jobs
from tests.support.client import Client, Json, Stream
from tests.support.job_feed import FEED
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# For documents that make messages large.
UNLIMITED: Json = {"limit_aliases": 1_000, "limit_tokens": 10_000, "limit_cost": 1_000_000}
DOCUMENTS = {
    "jobEvents": "subscription($job: ID!) { jobEvents(jobId: $job) { __typename } }",
    "jobProgress": "subscription($job: ID!) { jobProgress(jobId: $job) { percentage } }",
    "sceneUpdated": "subscription($scene: ID!) { sceneUpdated(sceneId: $scene) { id } }",
    "jobsUpdated": "subscription { jobsUpdated { id } }",
}


async def aborts(stream: Stream) -> None:
    """As when a cable is pulled, or a laptop shut."""
    stream.socket.transport.abort()


async def completes(stream: Stream) -> None:
    """As a client does that goes on using its socket."""
    await stream.socket.send(json.dumps({"type": "complete", "id": "1"}))


async def closes(stream: Stream) -> None:
    """As a browser does that leaves the page."""
    await stream.socket.close()


ROOT = Path(__file__).parent.parent.parent
ENDINGS: list[Callable[[Stream], Awaitable[None]]] = [aborts, completes, closes]


def generators() -> list[AsyncGeneratorType[object, object]]:
    """The streams that were begun and not ended, and the hub's and the store's blocks they are in."""
    found: list[AsyncGeneratorType[object, object]] = []
    for each in gc.get_objects():
        # A weak proxy claims to be what it stands for: ask for the type itself.
        if type(each) is AsyncGeneratorType:
            generator = cast("AsyncGeneratorType[object, object]", each)
            file = Path(generator.ag_code.co_filename)
            package = file.relative_to(ROOT).parts[0] if file.is_relative_to(ROOT) else ""
            if generator.ag_frame is not None and package in ("subscriptions", "coordinator", "models"):
                found.append(generator)
    return found


def tasks() -> Counter[str]:
    """What runs, by name: the server's own background makes new tasks all the time, but not more of them."""
    return Counter(str(task.get_coro()).partition(" at ")[0] for task in asyncio.all_tasks())


@asynccontextmanager
async def nothing_left(app: App) -> AsyncGenerator[None]:
    """What begins in the block is gone shortly after it."""
    before = tasks()
    for _ in range(20):  # at any one moment some of the server's own are between two waits
        await asyncio.sleep(0.01)
        before |= tasks()

    def left() -> tuple[int, int, Counter[str]]:
        return app.container.hub.watchers, len(app.container.connections), tasks() - before

    yield
    try:
        await eventually(lambda: left() == (0, 0, Counter()))
    except TimeoutError:
        pytest.fail(f"watchers, connections and tasks that stay: {left()}")
    # Those of the server's own background come and go.
    await eventually(lambda: generators() == [])


class TestTheEnd:
    """A subscriber leaves."""

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("name", DOCUMENTS)
    async def test_nothing_stays_of_a_subscriber_that_leaves(
        self, app: App, name: str, ending: Callable[[Stream], Awaitable[None]]
    ) -> None:
        """No watcher, no reader, no task and no generator."""
        made = await jobs.make(app, provider="external")
        async with nothing_left(app), app.subscribe(DOCUMENTS[name], job=made.id, scene=made.scenes[0]) as stream:
            await stream.next()
            assert app.container.hub.watchers == 1
            await ending(stream)
            await eventually(lambda: app.container.hub.watchers == 0)
            await eventually(lambda: generators() == [])

    async def test_nothing_stays_of_many_that_are_cut_off_in_mid_answer(self, app: App) -> None:
        """While the job changes, and some of them still catch up."""
        made = await jobs.make(app, *(jobs.scene() for _ in range(5)), provider="external")
        for number in range(60):
            await jobs.retitle(app, made.id, f"Past {number}")
        chance = jobs.seeded("cut off")

        async def come_and_go() -> None:
            for _ in range(6):
                async with app.subscribe(FEED, jobId=made.id, after=chance.choice([None, 0, 30])) as stream:
                    for _ in range(chance.randint(0, 10)):
                        await stream.next()
                    stream.socket.transport.abort()

        async def write() -> None:
            number = 0
            while not leaving.done():
                number += 1
                await jobs.retitle(app, made.id, f"Present {number}")

        async with nothing_left(app):
            leaving = asyncio.gather(*(come_and_go() for _ in range(5)))
            await asyncio.gather(leaving, write())

    async def test_a_neighbour_is_not_disturbed(self, app: App) -> None:
        """The reader of a job goes on for those who stay."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(FEED, jobId=made.id) as stays:
            await stays.next()
            for number in range(5):
                async with app.subscribe(FEED, jobId=made.id) as leaves:
                    await leaves.next()
                    await aborts(leaves)
                version = await jobs.retitle(app, made.id, f"Title {number}")
                assert (await stays.next())["jobEvents"]["version"] == version

    async def test_a_watcher_that_is_cut_off_is_not_logged(self, tmp_path: Path) -> None:
        """The operator hears of what concerns the server; clients come and go."""
        chance = jobs.seeded("not logged")
        server = ServerProcess(tmp_path, provider="scripted").start()
        client = Client(server.url)
        made = await jobs.make(client, *(jobs.scene() for _ in range(5)), provider="external")
        for number in range(40):
            await jobs.retitle(client, made.id, f"Title {number}")
        for _ in range(60):
            async with client.subscribe(FEED, jobId=made.id, after=0) as stream:
                for _ in range(chance.randint(0, 5)):
                    await stream.next()
                await asyncio.sleep(chance.uniform(0, 0.01))
                stream.socket.transport.abort()
        await client.close()
        assert server.stop() == 0
        assert [line for line in server.log.read_text().splitlines() if " INFO " not in line] == []


class TestWhileItIsIdle:
    """A subscriber that waits."""

    async def test_it_holds_no_connection_of_the_database(self, app: App) -> None:
        """Many more wait than there are connections, and queries are answered."""
        made = await jobs.make(app, provider="external")
        async with AsyncExitStack() as stack:
            for _ in range(8):
                for document in DOCUMENTS.values():
                    stream = await stack.enter_async_context(app.subscribe(document, job=made.id, scene=made.scenes[0]))
                    await stream.next()
            assert app.container.hub.watchers == 8 * len(DOCUMENTS)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.gather(*(jobs.job(app, made.id, "version") for _ in range(10)))


class TestASlowOne:
    """A client that does not read what it asked for."""

    async def test_it_costs_the_others_nothing_and_the_server_little(self, tmp_path: Path) -> None:
        """Two who read get everything at once, and what waits for the third does not grow."""
        copies = " ".join(f"t{n}: title" for n in range(200))
        wide = FEED.replace("fragment J on Job {", f"fragment J on Job {{ {copies}")
        async with running(tmp_path, subscriber_events=16, **UNLIMITED) as app:
            made = await jobs.make(app, provider="external")
            async with (
                app.subscribe(FEED, jobId=made.id) as one,
                app.subscribe(FEED, jobId=made.id) as two,
                app.subscribe(wide, jobId=made.id) as slow,
            ):
                slow.socket.transport.pause_reading()
                await asyncio.gather(one.next(), two.next())
                # Enough to fill what the kernel takes for the slow one, and its buffer.
                await round_trips(app, made.id, [one, two], 40)
                with growth() as grown:
                    await round_trips(app, made.id, [one, two], 100)
                await round_trips(app, made.id, [one, two], 150)
                slow.socket.transport.resume_reading()
                assert await lagged(slow)
        assert grown.bytes < 400_000
        assert grown.events < 40


async def round_trips(app: App, job_id: str, streams: list[Stream], times: int) -> None:
    """Change a job this many times; each change must arrive on every stream before the next one."""
    for number in range(times):
        await app.container.coordinator.commands().jobs.update(LOCAL, job_id, {"title": f"{number} {'x' * 190}"})
        await asyncio.gather(*(stream.next() for stream in streams))


async def lagged(stream: Stream) -> bool:
    """Whether a snapshot comes in place of what was dropped."""
    while (message := (await stream.next())["jobEvents"])["kind"] != "JobSnapshot" or message["reason"] != "LAGGED":
        pass
    return True


class Grown:
    """What came to be in a block and was still there at its end."""

    bytes = 0
    events = 0


@contextmanager
def growth() -> Generator[Grown]:
    """Measure a block."""
    grown = Grown()
    gc.collect()
    events = count_events()
    tracemalloc.start()
    try:
        yield grown
        gc.collect()
        grown.bytes = tracemalloc.get_traced_memory()[0]
        grown.events = count_events() - events
    finally:
        tracemalloc.stop()


def count_events() -> int:
    """How many events of a log are held in memory."""
    return sum(isinstance(each, EventRow) for each in gc.get_objects())
