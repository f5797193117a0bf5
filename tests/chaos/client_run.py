"""A run of the clients: jobs change while lines are cut and frozen and the server is killed; then a comparison.

Every client follows every job. What it showed is compared with the record that the database keeps of every state.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from playwright.async_api import Browser

from tests.chaos import delays, recording, shown_states
from tests.chaos.external_takes import clip_host
from tests.chaos.followers import Follower, following, log_of
from tests.chaos.history import History
from tests.chaos.line import Interval
from tests.chaos.outages import free_port
from tests.chaos.recording import Recorded
from tests.chaos.shared_state import SharedState, Topic
from tests.chaos.ticking_job import TickingJob
from tests.chaos.writers import Writer
from tests.support.database_choice import database_choice
from tests.support.server_process import ServerProcess
from tests.support.violations import Kind, Violation, flattened
from tests.support.waiting import eventually

PROVIDERS = ("scripted", "external")
WRITERS = 2
PAUSE_SECONDS = 0.15
SUBSCRIBER_EVENTS = 6
# With the padding of a job, more than a frozen line and the server hold for a client.
LAGGING_VERSIONS = 90


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. `seconds` are those in which outages begin.

    `longest_seconds` bounds a cut or a freeze: above 10 s a client gives a frozen connection up.
    """

    seed: int
    seconds: float
    kills: int
    longest_seconds: float


@dataclass
class Outcome:
    """The number of things that happened, the violations, and the delays of each client in seconds, sorted."""

    amounts: Counter[str]
    violations: list[Violation] = field(default_factory=list[Violation])
    delays: dict[str, list[float]] = field(default_factory=dict[str, list[float]])


class ClientRun:
    """One run in its own folder, on the database of that folder. Without a browser the React client is left out."""

    def __init__(self, plan: Plan, folder: Path, browser: Browser | None) -> None:
        self._plan = plan
        self._folder = folder
        self._browser = browser
        self._shared = SharedState(plan.seed)
        self._history = History()
        self._random = self._shared.random_source("clients")
        self._database_url = database_choice.url(folder)
        self._server = ServerProcess(
            folder,
            module="tests.chaos.recording_server",
            port=free_port(self._random),
            provider="scripted",
            local_width=64,
            local_height=64,
            subscriber_events=SUBSCRIBER_EVENTS,
            external_deadline_seconds=3_600,
        )
        self._down: list[Interval] = []
        self._followers: list[Follower] = []

    async def outcome(self) -> Outcome:
        """Run until every client shows the last version of every job, or until the first violation of a request."""
        outcome = Outcome(self._shared.amounts)
        recorded: dict[str, list[Recorded]] = {}
        try:
            async with clip_host(self._folder) as self._shared.clips:
                await asyncio.to_thread(self._server.start)
                await self._happen()
                recorded = await recording.read(self._database_url)
        except* Violation as group:
            outcome.violations += flattened(group)
        finally:
            self._server.kill()
        if recorded:
            for follower in self._followers:
                self._compare(follower, recorded, outcome)
        return outcome

    async def _happen(self) -> None:
        url = self._server.url
        writers = [Writer(f"w{number}", url, self._shared, self._history) for number in range(WRITERS)]
        ticking = TickingJob(url, self._shared)
        topics = [await writers[0].create(provider, hot=True) for provider in PROVIDERS]
        await ticking.create()
        async with following(url, list(self._shared.topics), self._folder, self._browser) as self._followers:
            await self._until_all_show_the_last()
            async with AsyncExitStack() as lagging:
                for follower in self._followers:
                    await lagging.enter_async_context(follower.line.frozen())
                await self._write(writers, topics, ticking, self._until_enough_to_lag())
            await self._until_all_show_the_last()
            await self._write(writers, topics, ticking, self._break_everything())
            await self._until_all_show_the_last()
        for client in (*writers, ticking):
            await client.close()

    async def _write(
        self,
        writers: list[Writer],
        topics: list[Topic],
        ticking: TickingJob,
        meanwhile: Coroutine[None, None, None],
    ) -> None:
        """Change the jobs until `meanwhile` ends; then cancel what still renders, so that the last version is known."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as writing:
            writing.create_task(ticking.change(over))
            for writer in writers:
                writing.create_task(writer.write(over, lambda: self._random.choice(topics), PAUSE_SECONDS))
            await meanwhile
            over.set()
        for topic in self._shared.topics.values():
            await writers[0].cancel(topic)

    async def _until_enough_to_lag(self) -> None:
        def made() -> int:
            return sum(map(self._shared.newest, self._shared.topics))

        enough = made() + LAGGING_VERSIONS
        await eventually(lambda: made() >= enough)

    async def _break_everything(self) -> None:
        """Cut and freeze lines, and kill the server, at random instants."""
        async with asyncio.TaskGroup() as breaking:
            for follower in self._followers:
                breaking.create_task(self._break_line(follower, self._shared.random_source(follower.name)))
            breaking.create_task(self._kill())

    async def _break_line(self, follower: Follower, random_source: random.Random) -> None:
        """Cut and freeze at least once each."""
        give_up_at = time() + self._plan.seconds
        kinds = ["cut", "freeze"]
        while kinds or time() < give_up_at:
            await asyncio.sleep(random_source.uniform(0.2, 2.0))
            kind = kinds.pop() if kinds else random_source.choice(["cut", "freeze"])
            seconds = self._plan.longest_seconds * random_source.random() ** 3
            self._shared.amounts[f"{kind}s of {follower.name}"] += 1
            if kind == "cut":
                await follower.line.cut(seconds)
            else:
                async with follower.line.frozen():
                    await asyncio.sleep(seconds)

    async def _kill(self) -> None:
        random_source = self._shared.random_source("kills")
        for _ in range(self._plan.kills):
            await asyncio.sleep(random_source.uniform(0, 2 * self._plan.seconds / (self._plan.kills + 1)))
            began = time()
            self._server.kill()
            await asyncio.to_thread(self._server.start)
            self._down.append(Interval(began, time()))
            self._shared.amounts["kills"] += 1

    async def _until_all_show_the_last(self) -> None:
        """Wait until every client shows the last version of every job. Raises Violation when one never does."""
        missing: list[str] = []

        async def all_show_it() -> bool:
            recorded = await recording.read(self._database_url)
            last = {job_id: recorded[job_id][-1].version for job_id in self._shared.topics}
            missing[:] = [
                f"{each.name} shows version {each.version(job_id)} of {job_id}, and {version} is the last"
                for each in self._followers
                for job_id, version in last.items()
                if each.version(job_id) != version
            ]
            return not missing

        try:
            await eventually(all_show_it)
        except TimeoutError:
            raise Violation(Kind.STUCK, "; ".join(missing)) from None

    def _compare(self, follower: Follower, recorded: dict[str, list[Recorded]], outcome: Outcome) -> None:
        waited: list[float] = []
        for job_id, states in recorded.items():
            shown, name = follower.shown.get(job_id, []), f"{follower.name} of {job_id}"
            outcome.violations += [
                *shown_states.check(name, shown, states),
                *shown_states.check_last(name, shown, states),
            ]
            waited += delays.delays(shown, states, [*self._down, *follower.line.down])
            outcome.amounts[f"states of {follower.name}"] += len(shown)
        for reason, number in follower.snapshots.items():
            outcome.amounts[f"snapshots {reason} of {follower.name}"] += number
        outcome.violations += [Violation(Kind.DROPPED, f"{follower.name}: {end}") for end in follower.ends]
        complaints = log_of(self._folder, follower.name).read_text()
        if complaints:
            outcome.violations.append(Violation(Kind.FAILED, f"{follower.name} wrote: {complaints}"))
        outcome.delays[follower.name] = sorted(waited)
