"""The queue port: which render or assembly runs next, and how many run at once.

Correctness does not depend on the queue: a render is fenced by the scene's row, and the reconciler enqueues again
whatever a queue has lost. So enqueueing and handling the same work twice is harmless.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from models.db.database import Connection
from models.writes.change import Assembly, Ticket, Work

# A worker without a heartbeat for this long has lost its tickets, and its renders are taken over.
LEASE_SECONDS = 30.0
# No ticket is delayed longer, except until the lease of a worker expires.
LONGEST_DELAY_SECONDS = 60.0


class Snooze(Exception):
    """The handler asks for the ticket again after `delay_seconds`."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


Handler = Callable[[Ticket], Awaitable[None]]
Assembler = Callable[[Assembly], Awaitable[None]]


class Concurrency(NamedTuple):
    """How many renders run at once: in this process, and of each provider over all processes (0: no limit)."""

    here: int
    of_provider: Mapping[str, int]


class Queue(Protocol):
    """Hands out work, the highest priority first, each at least once. Three methods and a property."""

    @property
    def joins_transactions(self) -> bool:
        """Whether `enqueue` can be part of a transaction; otherwise it must follow the commit."""
        ...

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept work, in the transaction of `connection` if given. Work that is waiting or running is skipped."""
        ...

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call `handler` for every ticket, up to the configured concurrency, until cancelled.

        Assemblies go to `assembler`; without one they wait for a process that has one.
        """
        ...

    async def prune(self) -> None:
        """Delete old records of finished work."""
        ...
