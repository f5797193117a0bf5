"""The course of a run: start, let everything happen at once, settle, compare."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.chaos import external_takes, invariants
from tests.chaos.history import History
from tests.chaos.mutants import Mutant
from tests.chaos.outages import Outages, free_port
from tests.chaos.shared_state import SharedState, Topic
from tests.chaos.subscribers import Subscriber
from tests.chaos.writers import Writer
from tests.support import row_checks
from tests.support.db_dump import DbDump
from tests.support.server_process import ServerProcess
from tests.support.violations import Kind, Violation, flattened

HOT_JOBS = ("scripted", "scripted", "external")
COOL_JOBS = 6
LATER_JOBS = 4
WRITERS = 5
SUBSCRIBERS_PER_JOB = 3
DATABASE = "chaos.db"
LOG_LINES = 40
# Between the commands of one writer. The changes of a cool job are far apart, so that a change that was not delivered
# is not made up for by the next.
HOT_PAUSE_SECONDS = 0.1
COOL_PAUSE_SECONDS = 5.0
SUBSCRIBER_EVENTS = 6
# SQLAlchemy closes the connection of a canceled operation in a task that it does not keep (connectors/asyncio.py,
# `terminate`). If that is canceled too, it stops the connection and asyncio logs that the task was destroyed.
IGNORED_ERROR = "_terminate_graceful_close"

# What must have happened at least once. A run goes on until it has: on a slow machine it takes longer.
MUST_HAPPEN = (
    "mutations",
    "retries with a key",
    "answers lost",
    "connections",
    "messages over websocket",
    "messages over sse",
    "messages over polling",
    "snapshots INITIAL",
    "snapshots LAGGED",
    "snapshots LOG_TRUNCATED",
    external_takes.ADOPTED,
    external_takes.SILENT,
)
EXTRA_SECONDS = 120.0
# Between two jobs that are left alone until a clip is adopted.
ALONE_SECONDS = 20


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. `seconds` are those in which the server is up; restarts are added."""

    seed: int
    seconds: float
    mutant: Mutant | None = None

    @property
    def settle_seconds(self) -> float:
        """How long renders may continue when no more commands come."""
        return min(4.0, self.seconds / 6)

    @property
    def external_deadline(self) -> timedelta:
        """How long an external take may be without a report."""
        return timedelta(seconds=max(5.0, self.seconds / 3))

    @property
    def kills(self) -> int:
        """How often the server is killed."""
        return max(1, round(self.seconds / 12))


@dataclass(frozen=True)
class Outcome:
    """The number of things that happened, and the violations."""

    amounts: Counter[str]
    violations: list[Violation]


class Run:
    """One run in its own folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._shared = SharedState(plan.seed)
        self._history = History()
        self._random = self._shared.random_source("run")
        self._server = ServerProcess(
            folder,
            *(() if plan.mutant is None else (plan.mutant.value,)),
            module="server" if plan.mutant is None else "tests.chaos.mutant_server",
            database_url=f"sqlite+aiosqlite:///{folder / DATABASE}",
            port=free_port(self._random),
            provider="scripted",
            local_width=64,
            local_height=64,
            render_concurrency=4,
            subscriber_events=SUBSCRIBER_EVENTS,
            external_deadline_seconds=plan.external_deadline.total_seconds(),
            # A polling subscriber reads the whole job with each event.
            limit_cost=100_000,
        )
        self._subscribers: list[Subscriber] = []
        self._finished = asyncio.Event()

    async def outcome(self) -> Outcome:
        """Run until the end or the first violation."""
        violations: list[Violation] = []
        try:
            async with external_takes.clip_host(self._server.folder) as self._shared.clips:
                await asyncio.to_thread(self._server.start)
                await self._happen()
        except* Violation as group:
            violations += flattened(group)
        finally:
            self._server.kill()
        if not violations:
            violations += self._compare()
        return Outcome(self._shared.amounts, violations)

    async def _happen(self) -> None:
        writers = [self._writer(f"w{number}") for number in range(WRITERS)]
        cool = [self._writer(f"c{number}") for number in range(COOL_JOBS)]
        settling = asyncio.Event()
        async with asyncio.TaskGroup() as following:
            for provider in HOT_JOBS:
                self._follow(await writers[0].create(provider, hot=True), following)
            async with asyncio.TaskGroup() as writing:
                for writer in writers:
                    writing.create_task(writer.write(settling, self._any_hot_job, HOT_PAUSE_SECONDS))
                for writer in cool:
                    topic = await writer.create("external", hot=False)
                    self._follow(topic, following)
                    writing.create_task(writer.write(settling, lambda topic=topic: topic, COOL_PAUSE_SECONDS))
                writing.create_task(self._create_later_jobs(following))
                outages = Outages(self._server, self._shared, self._plan.seconds, self._plan.kills)
                await outages.run(self._shared.random_source("outages"))
                await self._until_all_happened()
                settling.set()
            await self._settle(writers[0])
            self._finished.set()
        async with asyncio.TaskGroup() as reading:
            for subscriber in self._subscribers:
                reading.create_task(subscriber.read_to_last(await writers[0].version(subscriber.topic)))
        for writer in (*writers, *cool):
            await writer.close()

    def _writer(self, name: str) -> Writer:
        return Writer(name, self._server.url, self._shared, self._history)

    def _any_hot_job(self) -> Topic:
        return self._random.choice([topic for topic in self._shared.topics.values() if topic.hot])

    def _follow(self, topic: Topic, tasks: asyncio.TaskGroup) -> None:
        for _ in range(SUBSCRIBERS_PER_JOB):
            subscriber = Subscriber(len(self._subscribers), topic, self._server.url, self._shared)
            self._subscribers.append(subscriber)
            tasks.create_task(subscriber.follow(self._finished))

    async def _create_later_jobs(self, following: asyncio.TaskGroup) -> None:
        writer = self._writer("later")
        for number in range(LATER_JOBS):
            await asyncio.sleep(self._plan.seconds / (LATER_JOBS + 1))
            self._follow(await writer.create(HOT_JOBS[number % len(HOT_JOBS)], hot=True), following)
        await writer.close()

    def _missing(self) -> list[str]:
        return [name for name in MUST_HAPPEN if not self._shared.amounts[name]]

    async def _until_all_happened(self) -> None:
        """Go on while something has not happened yet, within a limit; `_check_coverage` reports what is missing.

        On a slow machine, takes of other jobs are canceled before their clips are adopted: some jobs are left alone.
        """
        writer = self._writer("alone")
        for second in range(round(EXTRA_SECONDS)):
            dump = await asyncio.to_thread(self._dump)
            self._shared.amounts |= external_takes.count(dump)
            if not self._missing():
                break
            if external_takes.ADOPTED in self._missing() and second % ALONE_SECONDS == 0:
                await writer.deliver(await writer.create("external", hot=False))
            await asyncio.sleep(1.0)
        await writer.close()

    async def _settle(self, writer: Writer) -> None:
        """Give the renders some time, and cancel what is left."""
        await asyncio.sleep(self._plan.settle_seconds)
        for topic in self._shared.topics.values():
            await writer.cancel(topic)

    def _dump(self) -> DbDump:
        return DbDump.read(self._server.folder / DATABASE)

    def _compare(self) -> list[Violation]:
        dump = self._dump()
        return [
            *row_checks.check_rows(dump),
            *invariants.check_history(dump, self._history.changes),
            *invariants.check_views(dump, [(each.topic.job_id, each.view) for each in self._subscribers]),
            *external_takes.check(dump, self._server.folder / "media", self._plan.external_deadline),
            *self._check_jobs(dump),
            *self._check_server_log(),
            *self._check_coverage(),
        ]

    def _check_jobs(self, dump: DbDump) -> Iterator[Violation]:
        if dump.jobs.keys() != self._shared.topics.keys():
            yield Violation(Kind.LOST_CHANGE, f"jobs are {set(dump.jobs)}, created were {set(self._shared.topics)}")

    def _check_server_log(self) -> Iterator[Violation]:
        """The server logs no error: a broken connection is none."""
        lines = self._server.log.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r"\b(ERROR|CRITICAL)\b", line) and IGNORED_ERROR not in "".join(lines[number : number + 2]):
                yield Violation(Kind.FAILED, "the server logged: " + "\n".join(lines[number : number + LOG_LINES]))

    def _check_coverage(self) -> Iterator[Violation]:
        for name in self._missing():
            yield Violation(Kind.TOO_LITTLE, f"{name}: none in {self._plan.seconds:g} + {EXTRA_SECONDS:g} s")
