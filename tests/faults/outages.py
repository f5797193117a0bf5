"""Postgres dies, is stopped, or hangs under load: nobody waits long, nobody is cut off, nothing has to be restarted."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.listening import Heard
from tests.support import jobs
from tests.support.client import Client
from tests.support.deployment import client_of, deployed
from tests.support.job_feed import VERSIONS
from tests.support.postgres import Databases, Postgres
from tests.support.waiting import eventually

REFUSED_SECONDS = 2.0
RECOVERED_SECONDS = 5.0
# Python and a busy machine have a part in what is measured.
SLACK_SECONDS = 0.25
WRITERS = 4
UPDATE = """mutation($input: UpdateJobInput!) {
    updateJob(input: $input) { job { version } errors { code } }
}"""


class Size(NamedTuple):
    """How often Postgres goes away, and the longest that it stays away."""

    outages: int
    longest_seconds: float


class Outcome(NamedTuple):
    """What was measured: the slowest in seconds, and how many."""

    slowest_refusal: float
    slowest_change_again: float
    slowest_news_again: float
    slowest_render_again: float
    refused: int
    accepted: int


class Writer:
    """Changes its own job without a pause, hears of the changes over a socket, and keeps the books."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.client = client
        self.job_id = job_id
        self.heard = Heard()
        self.accepted: dict[int, float] = {}
        self.refused: list[float] = []

    async def write(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            title = {"jobId": self.job_id, "title": f"at {began}"}
            answer = await self.client.result(UPDATE, input=title)
            if "errors" in answer:
                assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"], answer
                self.refused.append(time.monotonic() - began)
            else:
                assert answer["data"]["updateJob"]["errors"] == []
                self.accepted[answer["data"]["updateJob"]["job"]["version"]] = time.monotonic()
            await asyncio.sleep(0.02)

    def since(self, instant: float) -> bool:
        """Whether a change was accepted, and one was heard of, that began after this instant."""
        return any(at > instant for at in self.accepted.values()) and any(at > instant for at in self.heard.at.values())


async def run(folder: Path, size: Size, chance: random.Random) -> Outcome:
    """Take Postgres away again and again under load."""
    postgres = Postgres()
    try:
        url = Databases(postgres.start().url).create()
        settings = {"lease_seconds": 3, "render_concurrency": 16, "retry_first_seconds": 0.2}
        async with deployed(folder, url, **settings) as deployment:
            api, worker = await asyncio.gather(deployment.api(), deployment.worker())
            pids = (api.pid, worker.pid)
            async with client_of(api) as client, AsyncExitStack() as stack:
                writers = [await writer(client, stack) for _ in range(WRITERS)]
                # The first render of a process takes longer.
                await render(client)
                during = await jobs.make(client, *(jobs.scene(stepSeconds=0.5) for _ in range(8)), start=True)
                measured = [await outage(postgres, client, writers, act, size, chance) for act in acts(size, chance)]
                assert await jobs.settled(client, during.id) == "COMPLETED"
                await settle(writers)
                for each in writers:
                    await check(each)
                assert (api.pid, worker.pid) == pids
                assert api.runs
                assert worker.runs
    finally:
        postgres.remove()
    refusals = [seconds for each in writers for seconds in each.refused]
    accepted = sum(len(each.accepted) for each in writers)
    assert accepted > 10 * size.outages, "too little was done"
    assert max(refusals) <= REFUSED_SECONDS + SLACK_SECONDS, f"a change was refused after {max(refusals):.2f} s only"
    changes, news, renders = (max(times) for times in zip(*measured, strict=True))
    return Outcome(max(refusals), changes, news, renders, len(refusals), accepted)


def acts(size: Size, chance: random.Random) -> list[str]:
    """Every way of being away about as often."""
    ways = ["kill", "freeze", "stop", "crash"]
    chosen = (ways * (size.outages // len(ways) + 1))[: size.outages]
    chance.shuffle(chosen)
    return chosen


async def writer(client: Client, stack: AsyncExitStack) -> Writer:
    """A job with somebody who changes it and somebody who listens."""
    made = await jobs.make(client, provider="external")
    one = Writer(client, made.id)
    stream = await stack.enter_async_context(client.subscribe(VERSIONS, id=made.id))
    for work in (one.heard.listen(stream), one.write()):
        stack.push_async_callback(ended, asyncio.create_task(work))
    return one


async def ended(task: asyncio.Task[None]) -> None:
    """Stop it, unless it has failed: then say so."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def outage(
    postgres: Postgres, client: Client, writers: list[Writer], act: str, size: Size, chance: random.Random
) -> tuple[float, float, float]:
    """Take it away and give it back; answers how long changes, news and renders took to work again, in seconds."""
    await asyncio.sleep(chance.uniform(0.2, 1.0))
    take_away, give_back = ways(postgres)[act]
    await asyncio.to_thread(take_away)
    asked_at = time.monotonic()
    assert await status(client, "/readyz") == 503
    assert await status(client, "/healthz") == 200
    assert time.monotonic() - asked_at <= REFUSED_SECONDS + SLACK_SECONDS
    await asyncio.sleep(chance.uniform(0.2, 1.0) * size.longest_seconds)
    await asyncio.to_thread(give_back)
    back_at = time.monotonic()
    rendered = asyncio.create_task(render(client))
    await eventually(lambda: all(each.since(back_at) for each in writers), 2 * RECOVERED_SECONDS)
    changes = max(min(at for at in each.accepted.values() if at > back_at) for each in writers) - back_at
    news = max(min(at for at in each.heard.at.values() if at > back_at) for each in writers) - back_at
    renders = await rendered - back_at
    assert await status(client, "/readyz") == 200
    assert changes <= RECOVERED_SECONDS, f"after {act}, changes were accepted after {changes:.1f} s only"
    assert news <= RECOVERED_SECONDS, f"after {act}, changes were heard of after {news:.1f} s only"
    assert renders <= RECOVERED_SECONDS, f"after {act}, a scene was rendered after {renders:.1f} s only"
    return changes, news, renders


def ways(postgres: Postgres) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """How to take it away, and how to give it back."""
    return {
        "kill": (postgres.kill, postgres.start),
        "freeze": (postgres.freeze, postgres.thaw),
        "stop": (postgres.stop, postgres.start),
        "crash": (lambda: postgres.stop(signal.SIGQUIT), postgres.start),
    }


async def status(client: Client, path: str) -> int:
    """What a probe gets."""
    return (await client.http.get(path)).status_code


async def render(client: Client) -> float:
    """Have a scene rendered as soon as that is accepted; answers when it was done."""
    while True:
        with suppress(AssertionError):
            made = await jobs.make(client, jobs.scene(steps=1), start=True)
            break
        await asyncio.sleep(0.05)
    assert await jobs.settled(client, made.id) == "COMPLETED"
    return time.monotonic()


async def settle(writers: list[Writer]) -> None:
    """Until everybody has heard of all that was accepted so far."""
    wanted = [max(each.accepted) for each in writers]
    await eventually(
        lambda: all(version in each.heard.at for version, each in zip(wanted, writers, strict=True)), RECOVERED_SECONDS
    )


async def check(one: Writer) -> None:
    """Nothing that was accepted is missing, and what was heard is the log."""
    log = [event["version"] for event in await jobs.log(one.client, one.job_id)]
    assert log == list(range(1, len(log) + 1))
    assert set(one.accepted) <= set(log), "an accepted change was lost"
