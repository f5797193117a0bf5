"""Dispatch: which render runs next, and how many at once. PgQueuer behind a port of three verbs.

Correctness does not rest on the queue: a render is fenced by what the scene's row says, and the reconciler puts back
whatever a queue lost. So every verb here may be repeated without harm.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Protocol, cast

from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager

from models.change import Ticket
from models.database import Connection
from models.errors import Unavailable

log = logging.getLogger(__name__)

# A worker that was not heard of for this long is gone, and what it rendered is taken over.
LEASE_SECONDS = 30.0
POLL_SECONDS = 2.0
BROKEN_SECONDS = 1.0


class NotNow(Exception):
    """The handler asks to see the ticket again after `delay_seconds`."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


Handler = Callable[[Ticket], Awaitable[None]]


class Concurrency(NamedTuple):
    """How many renders run at once: in this process, and of each provider over all processes (0: no limit)."""

    here: int
    of_provider: Mapping[str, int]


class Queue(Protocol):
    """Hands tickets to a handler, the highest priority first, each at least once."""

    @property
    def joins_transactions(self) -> bool:
        """Whether `enqueue` can be part of a transaction; if not, it has to follow the commit."""
        ...

    async def enqueue(self, tickets: Sequence[Ticket], connection: Connection | None = None) -> None:
        """Accept tickets, in the transaction of `connection` if given; one that waits or runs already stays so."""
        ...

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        ...

    async def run(self, handler: Handler) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""
        ...

    async def tidy(self) -> None:
        """Forget what is kept of tickets that were done long ago."""
        ...


async def run(manager: QueueManager, concurrency: Concurrency, handler: Handler, *, lease_seconds: float) -> None:
    """Run a handler on any PgQueuer: one entrypoint for each provider, so that each can have a limit of its own.

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
            await handler(unpack(job.payload))
        except RetryRequested:
            raise
        except NotNow as later:
            raise RetryRequested(timedelta(seconds=later.delay_seconds)) from later
        except asyncio.CancelledError as stopping:
            # A CancelledError that escapes is taken as "canceled" and deletes the ticket.
            raise RetryRequested(reason="shutting down") from stopping
        except Unavailable as away:
            raise RetryRequested(timedelta(seconds=BROKEN_SECONDS)) from away
        except Exception as failure:
            log.exception("a ticket failed and is seen again", extra={"action": "dispatch.failed"})
            raise RetryRequested(timedelta(seconds=BROKEN_SECONDS)) from failure
        finally:
            handling.discard(task)

    for provider, limit in concurrency.of_provider.items():
        manager.entrypoint(entrypoint(provider), concurrency_limit=limit)(handle)
    running = asyncio.create_task(
        manager.run(
            batch_size=1,
            # PgQueuer asks for room for two batches; the queries of each queue cap what really runs.
            max_concurrent_tasks=max(2, concurrency.here),
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


def pack(ticket: Ticket) -> bytes:
    """A ticket as the payload of a queued job."""
    return json.dumps(ticket).encode()


def unpack(payload: bytes | None) -> Ticket:
    """The ticket in the payload of a queued job."""
    return Ticket(*json.loads(payload or b"[]"))
