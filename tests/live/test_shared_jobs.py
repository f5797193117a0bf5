"""jobsUpdated of many subscribers: executed for each alone, or once for all; every subscriber has the same jobs."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.transports.shared import joins, ring
from tests.support import jobs
from tests.support.client import Json
from tests.support.latest_values import next_value, no_value_follows, values_until
from tests.support.server_app import App, running
from tests.support.stream_modes import MODES, use
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("no_resync")

JOBS = """subscription Jobs($filter: JobFilter) {
    value: jobsUpdated(filter: $filter) { id title status version progress { version } }
}"""
SHARED = [mode for mode in MODES if mode != "alone"]


@pytest.fixture(params=MODES)
async def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[App]:
    """A server in each mode."""
    async with running(tmp_path, **use(request.param, monkeypatch)) as app:
        yield app


def dashboards(app: App) -> int:
    """Return the number of those that read the jobs."""
    return len(app.container.hub.dashboards)


class List:
    """The jobs that match, as a client keeps them."""

    def __init__(self, word: str) -> None:
        self.jobs: dict[str, Json] = {}
        self._word = word

    def show(self, job: Json) -> None:
        """Keep a job that matches, else remove it. Raises AssertionError for a job that is older than the one kept."""
        assert job["progress"]["version"] == job["version"]
        before = self.jobs.pop(job["id"], job)
        assert before["version"] <= job["version"]
        if self._word in job["title"]:
            self.jobs[job["id"]] = job

    @property
    def versions(self) -> dict[str, int]:
        """The version of each job."""
        return {job_id: job["version"] for job_id, job in self.jobs.items()}


async def follow(app: App, rng: random.Random, expected: "asyncio.Future[dict[str, int]]") -> None:
    """Keep a list, from a random moment and at a random pace, until it is the expected one."""
    await asyncio.sleep(rng.uniform(0, 0.5))
    kept, pauses = List("red"), rng.random() < 0.5
    async with app.subscribe(JOBS, filter={"search": "red"}) as stream:
        while not expected.done() or kept.versions != expected.result():
            kept.show(await next_value(stream))
            if pauses and rng.random() < 0.3:
                stream.socket.transport.pause_reading()
                await asyncio.sleep(rng.uniform(0, 0.2))
                stream.socket.transport.resume_reading()


@pytest.mark.parametrize("ring_bytes", [ring.RING_BYTES, 500], ids=["kept", "made-again"])
async def test_every_subscriber_ends_with_the_jobs_that_match(
    app: App, monkeypatch: pytest.MonkeyPatch, ring_bytes: int
) -> None:
    """Subscribers join at random, some read slowly; jobs start and cease to match at random."""
    monkeypatch.setattr(ring, "RING_BYTES", ring_bytes)
    rng = jobs.seeded("shared jobs")
    made = [(await jobs.make(app, title=f"A red one {number}", provider="external")).id for number in range(6)]
    expected: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
    following = [asyncio.create_task(follow(app, random.Random(rng.random()), expected)) for _ in range(10)]
    for number in range(40):
        colour = rng.choice(["red", "blue"])
        await jobs.retitle(app, rng.choice(made), f"A {colour} one {number}")
        await asyncio.sleep(rng.uniform(0, 0.05))
    found = (await app.execute('{ jobs(filter: { search: "red" }) { nodes { id version } } }'))["jobs"]["nodes"]
    # Known before the change, because its message may arrive before its response.
    version: int = (await jobs.job(app, made[0], "version"))["version"] + 1
    expected.set_result({each["id"]: each["version"] for each in found} | {made[0]: version})
    await jobs.retitle(app, made[0], "The last red one")
    await asyncio.gather(*following)


async def test_subscriber_is_not_sent_a_job_that_left_before_it_joined(app: App) -> None:
    """Others are sent it once more, perhaps at the same moment."""
    red = await jobs.make(app, title="Red", provider="external")
    other = await jobs.make(app, title="Also red", provider="external")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(app.subscribe(JOBS, filter={"search": "red"}))
        assert {(await next_value(first))["id"] for _ in range(2)} == {red.id, other.id}
        # The second change is within the interval of the first, so it still waits when the second subscriber joins.
        await jobs.retitle(app, other.id, "Red too")
        await values_until(first, title="Red too")
        await jobs.retitle(app, red.id, "Blue")
        second = await stack.enter_async_context(app.subscribe(JOBS, filter={"search": "red"}))
        assert (await next_value(second))["title"] == "Red too"
        assert (await values_until(first, title="Blue"))[-1]["id"] == red.id
        assert await no_value_follows(second)


@pytest.mark.parametrize("app", SHARED, indirect=True)
async def test_subscribers_with_the_same_filter_share_their_reads(app: App) -> None:
    """One dashboard serves all of them, with another filter another one; none is left."""
    await jobs.make(app, title="Red", provider="external")
    async with AsyncExitStack() as stack:
        for filter_ in [{"search": "red"}] * 3 + [{"search": "red", "status": ["PENDING"]}] * 2:
            stream = await stack.enter_async_context(app.subscribe(JOBS, filter=filter_))
            await next_value(stream)
        assert dashboards(app) == 2
    await eventually(lambda: dashboards(app) == 0)


@pytest.mark.parametrize("app", SHARED, indirect=True)
async def test_long_list_is_sent_to_each_subscriber_alone(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that not all of it is kept for one that reads slowly; those that join later get it as well."""
    monkeypatch.setattr(joins, "VALUES", 3)
    made = {(await jobs.make(app, title=f"Job {number}", provider="external")).id for number in range(7)}
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(app.subscribe(JOBS)) for _ in range(3)]
        for stream in streams:
            assert {(await next_value(stream))["id"] for _ in made} == made
        await jobs.retitle(app, min(made), "Renamed")
        for stream in streams:
            await values_until(stream, title="Renamed")
        assert dashboards(app) == 3
    await eventually(lambda: dashboards(app) == 0)
