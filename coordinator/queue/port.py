"""Dispatch: which render runs next, and how many at once. PgQueuer behind a port of three verbs.

Renders and assemblies have a lane each: a worker joins clips one job at a time, beside its renders. So no assembly
takes the place of a render that somebody pays for, and none waits until all renders are done.

Correctness does not rest on the queue: a render is fenced by what the scene's row says, and the reconciler puts back
whatever a queue lost. So every verb here may be repeated without harm.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, assert_never, cast

from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager

from models.db.database import Connection
from models.domain.errors import Unavailable
from models.writes.change import Assembly, Ticket, Work

log = logging.getLogger(__name__)

# A worker that was not heard of for this long is gone, and what it rendered is taken over.
LEASE_SECONDS = 30.0
POLL_SECONDS = 2.0
BROKEN_SECONDS = 1.0
# Joining without re-encoding takes a second or so; more at once would only compete for the cores.
ASSEMBLIES_AT_ONCE = 1
ASSEMBLY = "assembly"


class Snooze(Exception):
    """The handler asks to see the ticket again after `delay_seconds`."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


Handler = Callable[[Ticket], Awaitable[None]]
Assembler = Callable[[Assembly], Awaitable[None]]


class Concurrency(NamedTuple):
    """How many renders run at once: in this process, and of each provider over all processes (0: no limit)."""

    here: int
    of_provider: Mapping[str, int]


class Lane(NamedTuple):
    """What one PgQueuer runs, at most `at_once` side by side; `limits` holds its entrypoints (0: no limit)."""

    limits: Mapping[str, int]
    at_once: int
    handle: Callable[[bytes | None], Awaitable[None]]


class Queue(Protocol):
    """Hands out work, the highest priority first, each at least once."""

    @property
    def joins_transactions(self) -> bool:
        """Whether `enqueue` can be part of a transaction; if not, it has to follow the commit."""
        ...

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept work, in the transaction of `connection` if given; what waits or runs already stays so."""
        ...

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        ...

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled; the other for assemblies.

        Without an assembler, assemblies wait for a process that has one.
        """
        ...

    async def prune(self) -> None:
        """Forget what is kept of tickets that were done long ago."""
        ...


def renders(concurrency: Concurrency, handler: Handler) -> Lane:
    """The lane of renders: one entrypoint for each provider, so that each can have a limit of its own."""
    limits = {entrypoint(provider): limit for provider, limit in concurrency.of_provider.items()}

    def handle(payload: bytes | None) -> Awaitable[None]:
        return handler(unpack(payload))

    return Lane(limits, concurrency.here, handle)


def assemblies(assembler: Assembler) -> Lane:
    """The lane of assemblies."""

    def handle(payload: bytes | None) -> Awaitable[None]:
        return assembler(Assembly(*json.loads(payload or b"[]")))

    return Lane({ASSEMBLY: 0}, ASSEMBLIES_AT_ONCE, handle)


async def run_until_first_exits(*lanes: Coroutine[Any, Any, None]) -> None:
    """Run lanes until one of them ends, which it does only by an error, or until cancelled."""
    tasks = [asyncio.ensure_future(lane) for lane in lanes]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def run(manager: QueueManager, lane: Lane, *, lease_seconds: float) -> None:
    """Run a lane on any PgQueuer.

    On its queue manager alone: its scheduler would ask each second for what we have not, and fall over a database that
    is away.
    """

    handling: set[asyncio.Task[Any]] = set()

    async def handle(job: Job) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        handling.add(task)
        try:
            if manager.shutdown.is_set():
                raise RetryRequested(reason="shutting down")
            await lane.handle(job.payload)
        except RetryRequested:
            raise
        except Snooze as later:
            raise RetryRequested(timedelta(seconds=later.delay_seconds)) from later
        except asyncio.CancelledError as stopping:
            # A CancelledError that escapes is taken as "canceled" and deletes the ticket.
            raise RetryRequested(reason="shutting down") from stopping
        except Unavailable as away:
            raise RetryRequested(timedelta(seconds=BROKEN_SECONDS)) from away
        except Exception as failure:
            log.exception("work failed and is seen again", extra={"action": "dispatch.failed"})
            raise RetryRequested(timedelta(seconds=BROKEN_SECONDS)) from failure
        finally:
            handling.discard(task)

    for name, limit in lane.limits.items():
        manager.entrypoint(name, concurrency_limit=limit)(handle)
    running = asyncio.create_task(
        manager.run(
            batch_size=1,
            # PgQueuer asks for room for two batches; the queries of each queue cap what really runs.
            max_concurrent_tasks=max(2, lane.at_once),
            heartbeat_timeout=timedelta(seconds=lease_seconds),
            dequeue_timeout=timedelta(seconds=POLL_SECONDS),
            log_aggregation_interval=timedelta(0),
        )
    )
    try:
        await asyncio.wait([running])
        running.result()
    finally:
        # Cancelled alone it would wait for what it handles, and let nobody know.
        manager.shutdown.set()
        while not running.done():
            for task in (running, *handling):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])


def entrypoint(provider: str) -> str:
    """The name under which renders of a provider are queued."""
    return f"render.{provider}"


def route(work: Work) -> tuple[str, int]:
    """Under which entrypoint work is queued, and its priority there."""
    match work:
        case Ticket():
            return entrypoint(work.provider), work.priority
        case Assembly():
            return ASSEMBLY, 0
        case _:
            assert_never(work)


def encode(work: Work) -> bytes:
    """Work as the payload of a queued job."""
    return json.dumps(work).encode()


def unpack(payload: bytes | None) -> Ticket:
    """The ticket in the payload of a queued job."""
    return Ticket(*json.loads(payload or b"[]"))
