"""The course of a run: set up, let everything happen at once, come to rest, compare."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import verdict
from tests.chaos.board import Board, Topic
from tests.chaos.bugs import Bug
from tests.chaos.followers import Follower
from tests.chaos.ledger import Ledger
from tests.chaos.outages import Outages, free_port
from tests.chaos.remains import Remains
from tests.chaos.violations import Kind, Violation
from tests.chaos.writers import Writer
from tests.support.server_process import ServerProcess

HOT_JOBS = ("scripted", "scripted", "external")
COOL_JOBS = 6
LATER_JOBS = 4
WRITERS = 5
DATABASE = "chaos.db"
LOG_LINES = 40
FOLLOWERS_A_JOB = 3
# Between the changes of one writer. A hot job is changed all the time; of a cool one each change is alone, so that the
# next change does not make up for what was not told of the last one.
HOT_PAUSE_SECONDS = 0.1
COOL_PAUSE_SECONDS = 5.0
SUBSCRIBER_EVENTS = 6

# What must have happened at the least, for each second of the run: a third of what a slow and busy machine does.
LEAST_A_SECOND = {
    "mutations": 2.0,
    "retries with a key": 0.2,
    "connections": 4.0,
    "messages over websocket": 10.0,
    "messages over sse": 8.0,
    "messages over polling": 2.0,
    "snapshots LAGGED": 0.04,
    "snapshots LOG_TRUNCATED": 0.05,
}


@dataclass(frozen=True)
class Plan:
    """What is to be run. The seconds are those in which the server is up; restarts come on top."""

    seed: int
    seconds: float
    bug: Bug | None = None

    @property
    def rest_seconds(self) -> float:
        """How long renders may go on when nobody changes anything any more."""
        return min(4.0, self.seconds / 6)

    @property
    def kills(self) -> int:
        """How often the server is killed."""
        return max(2, round(self.seconds / 12))


@dataclass(frozen=True)
class Outcome:
    """What was done, and what was wrong."""

    amounts: Counter[str]
    violations: list[Violation]


class Run:
    """One run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._board = Board(plan.seed)
        self._ledger = Ledger()
        self._chance = self._board.chance("run")
        self._server = ServerProcess(
            folder,
            *(() if plan.bug is None else (plan.bug.value,)),
            module="server" if plan.bug is None else "tests.chaos.server",
            database_url=f"sqlite+aiosqlite:///{folder / DATABASE}",
            port=free_port(self._chance),
            provider="scripted",
            local_width=64,
            local_height=64,
            render_concurrency=4,
            subscriber_events=SUBSCRIBER_EVENTS,
            # A follower that polls compares the whole job with each event.
            limit_cost=100_000,
        )
        self._followers: list[Follower] = []
        self._finished = asyncio.Event()

    async def result(self) -> Outcome:
        """Run it; at the first lie it is over."""
        violations: list[Violation] = []
        try:
            await asyncio.to_thread(self._server.start)
            await self._happen()
        except* Violation as group:
            violations += _leaves(group)
        finally:
            self._server.kill()
        if not violations:
            violations += self._compare()
        return Outcome(self._board.amounts, violations)

    async def _happen(self) -> None:
        writers = [Writer(f"w{number}", self._server.url, self._board, self._ledger) for number in range(WRITERS)]
        cool = [Writer(f"c{number}", self._server.url, self._board, self._ledger) for number in range(COOL_JOBS)]
        resting = asyncio.Event()
        async with asyncio.TaskGroup() as followers:
            for provider in HOT_JOBS:
                self._watch(await writers[0].create(provider, hot=True), followers)
            async with asyncio.TaskGroup() as changes:
                for writer in writers:
                    changes.create_task(writer.write(resting, self._any_hot, HOT_PAUSE_SECONDS))
                for writer in cool:
                    topic = await writer.create("external", hot=False)
                    self._watch(topic, followers)
                    changes.create_task(writer.write(resting, lambda topic=topic: topic, COOL_PAUSE_SECONDS))
                changes.create_task(self._found_jobs(followers))
                outages = Outages(self._server, self._board, self._plan.seconds, self._plan.kills)
                await outages.happen(self._board.chance("outages"))
                resting.set()
            await self._come_to_rest(writers[0])
            self._finished.set()
        async with asyncio.TaskGroup() as last:
            for follower in self._followers:
                last.create_task(follower.shield_to_completion(await writers[0].version(follower.topic)))
        for writer in (*writers, *cool):
            await writer.close()

    def _any_hot(self) -> Topic:
        return self._chance.choice([topic for topic in self._board.topics.values() if topic.hot])

    def _watch(self, topic: Topic, tasks: asyncio.TaskGroup) -> None:
        for _ in range(FOLLOWERS_A_JOB):
            follower = Follower(len(self._followers), topic, self._server.url, self._board)
            self._followers.append(follower)
            tasks.create_task(follower.follow(self._finished))

    async def _found_jobs(self, followers: asyncio.TaskGroup) -> None:
        """New jobs come while others run."""
        founder = Writer("f", self._server.url, self._board, self._ledger)
        for number in range(LATER_JOBS):
            await asyncio.sleep(self._plan.seconds / (LATER_JOBS + 1))
            self._watch(await founder.create(HOT_JOBS[number % len(HOT_JOBS)], hot=True), followers)
        await founder.close()

    async def _come_to_rest(self, writer: Writer) -> None:
        """Give the renders some time, cancel what is left, and see that nothing moves any more."""
        await asyncio.sleep(self._plan.rest_seconds)
        for topic in self._board.topics.values():
            await writer.cancel(topic)

    def _compare(self) -> list[Violation]:
        remains = Remains(self._server.folder / DATABASE)
        return [
            *verdict.of_rows(remains),
            *verdict.of_claims(remains, self._ledger.claims),
            *verdict.of_screens(remains, [(each.topic.job_id, each.screen) for each in self._followers]),
            *self._of_jobs(remains),
            *self._of_log(),
            *self._of_work(),
        ]

    def _of_jobs(self, remains: Remains) -> Iterator[Violation]:
        if remains.jobs.keys() != self._board.topics.keys():
            yield Violation(Kind.LOST, f"there are {set(remains.jobs)}, created were {set(self._board.topics)}")

    def _of_log(self) -> Iterator[Violation]:
        """A broken connection is no error of the server's."""
        lines = self._server.log.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r"\b(ERROR|CRITICAL)\b", line):
                yield Violation(Kind.FAILED, "the server logged: " + "\n".join(lines[number : number + LOG_LINES]))

    def _of_work(self) -> Iterator[Violation]:
        least = {name: rate * self._plan.seconds for name, rate in LEAST_A_SECOND.items()}
        for name, amount in (least | {"kills": self._plan.kills}).items():
            if self._board.amounts[name] < amount:
                yield Violation(Kind.IDLE, f"{name}: {self._board.amounts[name]} of at least {amount:g}")


def _leaves(group: ExceptionGroup[Violation]) -> list[Violation]:
    found: list[Violation] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, ExceptionGroup) else [each]
    return found
