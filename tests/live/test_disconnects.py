"""Subscribers that disconnect or read slowly: their resources are freed, and other subscribers are not delayed."""

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
from server.transports.limits import TransportLimits
from server.transports.protocols.uvicorn_protocols import UvicornOptions, uvicorn_options
from tests.support import jobs, uvicorn_server
from tests.support.client import Client, Json, Stream
from tests.support.job_feed import FEED
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# Limits for documents whose messages are large.
UNLIMITED: Json = {"limit_aliases": 1_000, "limit_tokens": 10_000, "limit_cost": 1_000_000}
DOCUMENTS = {
    "jobEvents": "subscription($job: ID!) { jobEvents(jobId: $job) { __typename } }",
    "jobProgress": "subscription($job: ID!) { jobProgress(jobId: $job) { percentage } }",
    "sceneUpdated": "subscription($scene: ID!) { sceneUpdated(sceneId: $scene) { id } }",
    "jobsUpdated": "subscription { jobsUpdated { id } }",
}


async def aborts(stream: Stream) -> None:
    """Abort the connection, as when a cable is pulled or a laptop closed."""
    stream.socket.transport.abort()


async def completes(stream: Stream) -> None:
    """Complete the subscription, as a client that keeps its socket open."""
    await stream.socket.send(json.dumps({"type": "complete", "id": "1"}))


async def closes(stream: Stream) -> None:
    """Close the socket, as a browser that leaves the page."""
    await stream.socket.close()


ROOT = Path(__file__).parent.parent.parent
ENDINGS: list[Callable[[Stream], Awaitable[None]]] = [aborts, completes, closes]


def generators() -> list[AsyncGeneratorType[object, object]]:
    """Return the unfinished generators of streams, and those of the hub and the store that they have entered."""
    found: list[AsyncGeneratorType[object, object]] = []
    for each in gc.get_objects():
        # isinstance() is true of a weak proxy as well: compare the type itself.
        if type(each) is AsyncGeneratorType:
            generator = cast("AsyncGeneratorType[object, object]", each)
            file = Path(generator.ag_code.co_filename)
            package = file.relative_to(ROOT).parts[0] if file.is_relative_to(ROOT) else ""
            if generator.ag_frame is not None and package in ("subscriptions", "coordinator", "models"):
                found.append(generator)
    return found


def tasks() -> Counter[str]:
    """Count the running tasks by name: the server replaces its background tasks often, but keeps their number."""
    return Counter(str(task.get_coro()).partition(" at ")[0] for task in asyncio.all_tasks())


@asynccontextmanager
async def no_resources_left(app: App) -> AsyncGenerator[None]:
    """Assert that watchers, connections, tasks and generators of the block are gone shortly after it."""
    before = tasks()
    for _ in range(20):  # at any moment some background tasks are being replaced
        await asyncio.sleep(0.01)
        before |= tasks()

    def left() -> tuple[int, int, Counter[str]]:
        return app.container.hub.watchers, len(app.container.connections), tasks() - before

    yield
    try:
        await eventually(lambda: left() == (0, 0, Counter()))
    except TimeoutError:
        pytest.fail(f"watchers, connections and tasks that are left: {left()}")
    # Generators of the server's background tasks are short-lived.
    await eventually(lambda: generators() == [])


class TestDisconnect:
    """A subscriber ends its subscription or its connection."""

    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("name", DOCUMENTS)
    async def test_resources_of_a_disconnected_subscriber_are_freed(
        self, app: App, name: str, ending: Callable[[Stream], Awaitable[None]]
    ) -> None:
        """No watcher, reader, task or generator is left."""
        made = await jobs.make(app, provider="external")
        async with no_resources_left(app), app.subscribe(DOCUMENTS[name], job=made.id, scene=made.scenes[0]) as stream:
            await stream.next()
            assert app.container.hub.watchers == 1
            await ending(stream)
            await eventually(lambda: app.container.hub.watchers == 0)
            await eventually(lambda: generators() == [])

    async def test_resources_of_many_subscribers_that_disconnect_during_a_message_are_freed(self, app: App) -> None:
        """The job changes meanwhile, and some subscribers still catch up with missed events."""
        made = await jobs.make(app, *(jobs.scene() for _ in range(5)), provider="external")
        for number in range(60):
            await jobs.retitle(app, made.id, f"Past {number}")
        rng = jobs.seeded("cut off")

        async def subscribe_and_abort() -> None:
            for _ in range(6):
                async with app.subscribe(FEED, jobId=made.id, after=rng.choice([None, 0, 30])) as stream:
                    for _ in range(rng.randint(0, 10)):
                        await stream.next()
                    stream.socket.transport.abort()

        async def write() -> None:
            number = 0
            while not leaving.done():
                number += 1
                await jobs.retitle(app, made.id, f"Present {number}")

        async with no_resources_left(app):
            leaving = asyncio.gather(*(subscribe_and_abort() for _ in range(5)))
            await asyncio.gather(leaving, write())

    async def test_disconnect_does_not_interrupt_another_subscriber_of_the_job(self, app: App) -> None:
        """The reader of the job continues for the other subscriber."""
        made = await jobs.make(app, provider="external")
        async with app.subscribe(FEED, jobId=made.id) as stays:
            await stays.next()
            for number in range(5):
                async with app.subscribe(FEED, jobId=made.id) as leaves:
                    await leaves.next()
                    await aborts(leaves)
                version = await jobs.retitle(app, made.id, f"Title {number}")
                assert (await stays.next())["jobEvents"]["version"] == version

    async def test_disconnected_subscriber_logs_no_warning(self, tmp_path: Path) -> None:
        """Disconnecting clients are normal, and no concern of the operator."""
        rng = jobs.seeded("not logged")
        server = ServerProcess(tmp_path, provider="scripted").start()
        client = Client(server.url)
        made = await jobs.make(client, *(jobs.scene() for _ in range(5)), provider="external")
        for number in range(40):
            await jobs.retitle(client, made.id, f"Title {number}")
        for _ in range(60):
            async with client.subscribe(FEED, jobId=made.id, after=0) as stream:
                for _ in range(rng.randint(0, 5)):
                    await stream.next()
                await asyncio.sleep(rng.uniform(0, 0.01))
                stream.socket.transport.abort()
        await client.close()
        assert server.stop() == 0
        assert [line for line in server.log.read_text().splitlines() if " INFO " not in line] == []


class TestIdleSubscriber:
    """A subscriber of a job that does not change."""

    async def test_idle_subscriber_holds_no_database_connection(self, app: App) -> None:
        """With many more subscribers than connections in the pool, queries are still answered."""
        made = await jobs.make(app, provider="external")
        async with AsyncExitStack() as stack:
            for _ in range(8):
                for document in DOCUMENTS.values():
                    stream = await stack.enter_async_context(app.subscribe(document, job=made.id, scene=made.scenes[0]))
                    await stream.next()
            # Equal subscriptions share a watcher.
            assert app.container.hub.watchers == len(DOCUMENTS)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.gather(*(jobs.job(app, made.id, "version") for _ in range(10)))


class TestSlowSubscriber:
    """A client that does not read its socket."""

    async def test_slow_subscriber_delays_no_other_and_uses_bounded_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two other subscribers receive every event at once; the buffer of the slow one does not grow."""
        # How long the round trips take depends on the machine, and the slow one must not be dropped meanwhile.
        kept = TransportLimits(dead_after_seconds=3_600.0, stall_seconds=3_600.0)

        def options(_limits: TransportLimits | None) -> UvicornOptions:
            return uvicorn_options(kept)

        monkeypatch.setattr(uvicorn_server, "uvicorn_options", options)
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
                # Enough to fill the buffers of the slow subscriber, in the kernel and in the server.
                await round_trips(app, made.id, [one, two], 40)
                with measured_growth() as growth:
                    await round_trips(app, made.id, [one, two], 100)
                await round_trips(app, made.id, [one, two], 150)
                slow.socket.transport.resume_reading()
                assert await lagged(slow)
        assert growth.bytes < 400_000
        assert growth.events < 40


async def round_trips(app: App, job_id: str, streams: list[Stream], times: int) -> None:
    """Change a job this many times; each change must arrive on every stream before the next one."""
    for number in range(times):
        await app.container.coordinator.commands().jobs.update(LOCAL, job_id, {"title": f"{number} {'x' * 190}"})
        await asyncio.gather(*(stream.next() for stream in streams))


async def lagged(stream: Stream) -> bool:
    """Return whether a snapshot comes in place of the dropped events."""
    while (message := (await stream.next())["jobEvents"])["kind"] != "JobSnapshot" or message["reason"] != "LAGGED":
        pass
    return True


class Growth:
    """Memory and events that were allocated in a block and still existed at its end."""

    bytes = 0
    events = 0


@contextmanager
def measured_growth() -> Generator[Growth]:
    """Measure the growth of memory in a block."""
    growth = Growth()
    gc.collect()
    events = count_events()
    tracemalloc.start()
    try:
        yield growth
        gc.collect()
        growth.bytes = tracemalloc.get_traced_memory()[0]
        growth.events = count_events() - events
    finally:
        tracemalloc.stop()


def count_events() -> int:
    """Return the number of event rows in memory."""
    return sum(type(each) is EventRow for each in gc.get_objects())
