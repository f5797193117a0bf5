"""Postgres is killed, frozen or stopped under load: requests are refused, sockets stay open, all processes recover."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.lost_notifications import Subscriber
from tests.support import jobs
from tests.support.client import Client
from tests.support.deployment import client_of, deployed
from tests.support.job_feed import VERSIONS
from tests.support.postgres import Databases, Postgres
from tests.support.waiting import eventually

WRITERS = 4
UPDATE = """mutation($input: UpdateJobInput!) {
    updateJob(input: $input) { job { version } errors { code } }
}"""


class Size(NamedTuple):
    """The number of outages, and the longest of them."""

    outages: int
    longest_seconds: float


class Recovery(NamedTuple):
    """The seconds after an outage until changes, their delivery and renders work again."""

    change: float
    delivery: float
    render: float


class Outcome(NamedTuple):
    """The slowest refusal and recovery in seconds, and the numbers of changes.

    On an idle machine a change is refused within 2 s, and everything works again within 5 s.
    """

    slowest_refusal: float
    slowest_recovery: Recovery
    refused: int
    accepted: int


class Writer:
    """Changes its own job without a pause and subscribes to it."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.client = client
        self.job_id = job_id
        self.subscriber = Subscriber()
        self.accepted_at: dict[int, float] = {}
        self.refusals: list[float] = []

    async def write(self) -> None:
        """Change the job until cancelled; the only error may be UNAVAILABLE."""
        while True:
            began = time.monotonic()
            answer = await self.client.result(UPDATE, input={"jobId": self.job_id, "title": f"at {began}"})
            if "errors" in answer:
                assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"], answer
                self.refusals.append(time.monotonic() - began)
            else:
                assert answer["data"]["updateJob"]["errors"] == []
                self.accepted_at[answer["data"]["updateJob"]["job"]["version"]] = time.monotonic()
            await asyncio.sleep(0.02)

    def accepted_after(self, instant: float) -> float | None:
        """Return when the first change after an instant was accepted."""
        return min((at for at in self.accepted_at.values() if at > instant), default=None)

    def received_after(self, instant: float) -> float | None:
        """Return when the first version after an instant was received."""
        return min((at for at in self.subscriber.received_at.values() if at > instant), default=None)

    async def check(self) -> None:
        """The log has no gap and every accepted change."""
        # Before the log is read: it goes on changing the job.
        accepted = set(self.accepted_at)
        log = [event["version"] for event in await jobs.log(self.client, self.job_id)]
        assert log == list(range(1, len(log) + 1))
        assert accepted <= set(log), "an accepted change was lost"


async def run(folder: Path, size: Size, randomness: random.Random) -> Outcome:
    """Cause outages while jobs are changed, followed and rendered; no process may be restarted."""
    postgres = Postgres()
    try:
        url = Databases(postgres.start().url).create()
        settings = {"lease_seconds": 3, "render_concurrency": 16, "retry_first_seconds": 0.2}
        async with deployed(folder, url, **settings) as deployment:
            api, worker = await asyncio.gather(deployment.api(), deployment.worker())
            pids = (api.pid, worker.pid)
            async with client_of(api) as client, AsyncExitStack() as stack:
                writers = [await start_writer(client, stack) for _ in range(WRITERS)]
                # The first render of a process takes longer.
                await render(client)
                during = await jobs.make(client, *(jobs.scene(stepSeconds=0.5) for _ in range(8)), start=True)
                chosen = choose_kinds(size, randomness)
                recoveries = [await outage(postgres, client, writers, kind, size, randomness) for kind in chosen]
                assert await jobs.settled(client, during.id) == "COMPLETED"
                await all_received(writers)
                for each in writers:
                    await each.check()
                assert (api.pid, worker.pid) == pids
                assert api.runs
                assert worker.runs
    finally:
        postgres.remove()
    refusals = [seconds for each in writers for seconds in each.refusals]
    accepted = sum(len(each.accepted_at) for each in writers)
    slowest = Recovery(*(max(seconds) for seconds in zip(*recoveries, strict=True)))
    return Outcome(max(refusals), slowest, len(refusals), accepted)


def choose_kinds(size: Size, randomness: random.Random) -> list[str]:
    """Return kinds of outages in random order, each about as often."""
    kinds = ["kill", "freeze", "stop", "crash"]
    chosen = (kinds * (size.outages // len(kinds) + 1))[: size.outages]
    randomness.shuffle(chosen)
    return chosen


def kinds_of_outage(postgres: Postgres) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return how each kind of outage begins and ends."""
    return {
        "kill": (postgres.kill, postgres.start),
        "freeze": (postgres.freeze, postgres.thaw),
        "stop": (postgres.stop, postgres.start),
        "crash": (lambda: postgres.stop(signal.SIGQUIT), postgres.start),
    }


async def start_writer(client: Client, stack: AsyncExitStack) -> Writer:
    """Create a job with a writer and a subscriber; both end with the stack."""
    made = await jobs.make(client, provider="external")
    writer = Writer(client, made.id)
    stream = await stack.enter_async_context(client.subscribe(VERSIONS, id=made.id))
    for work in (writer.subscriber.read(stream), writer.write()):
        stack.push_async_callback(end, asyncio.create_task(work))
    return writer


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task; raise its error if it failed."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def outage(
    postgres: Postgres, client: Client, writers: list[Writer], kind: str, size: Size, randomness: random.Random
) -> Recovery:
    """Cause one outage, in which every writer is refused; return how long it took to recover."""
    await asyncio.sleep(randomness.uniform(0.2, 1.0))
    begin, finish = kinds_of_outage(postgres)[kind]
    refused_before = [len(each.refusals) for each in writers]
    await asyncio.to_thread(begin)
    assert await status(client, "/readyz") == 503
    assert await status(client, "/healthz") == 200
    await asyncio.sleep(randomness.uniform(0.2, 1.0) * size.longest_seconds)
    await eventually(
        lambda: all(len(each.refusals) > before for each, before in zip(writers, refused_before, strict=True))
    )
    await asyncio.to_thread(finish)
    ended_at = time.monotonic()
    rendering = asyncio.create_task(render(client))
    await eventually(lambda: all(each.accepted_after(ended_at) and each.received_after(ended_at) for each in writers))
    accepted = max(each.accepted_after(ended_at) or 0.0 for each in writers)
    received = max(each.received_after(ended_at) or 0.0 for each in writers)
    rendered = await rendering
    assert await status(client, "/readyz") == 200
    return Recovery(accepted - ended_at, received - ended_at, rendered - ended_at)


async def status(client: Client, path: str) -> int:
    """Return the status code of a probe."""
    return (await client.http.get(path)).status_code


async def render(client: Client) -> float:
    """Render a scene as soon as its job is accepted; return when it was completed."""
    while True:
        with suppress(AssertionError):
            made = await jobs.make(client, jobs.scene(steps=1), start=True)
            break
        await asyncio.sleep(0.05)
    assert await jobs.settled(client, made.id) == "COMPLETED"
    return time.monotonic()


async def all_received(writers: list[Writer]) -> None:
    """Wait until every subscriber received the changes accepted so far."""
    newest = [max(each.accepted_at) for each in writers]
    await eventually(
        lambda: all(version in each.subscriber.received_at for version, each in zip(newest, writers, strict=True))
    )
