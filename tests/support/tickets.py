"""Tickets and concurrency limits for tests of queues."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from coordinator.queue.port import Concurrency, Queue
from models.writes.change import Ticket

Open = Callable[[Concurrency], AbstractAsyncContextManager[Queue]]


def at_once(number: int, **of_provider: int) -> Concurrency:
    """Return a limit of all renders, and limits of single providers (0: none)."""
    return Concurrency(number, {"local": 0} | of_provider)


def ticket(name: str, priority: int = 0, delay_seconds: float = 0.0, provider: str = "local") -> Ticket:
    """Return a ticket of the scene with this id."""
    return Ticket(provider, "job_1", name, 1, priority, delay_seconds)


def tickets(number: int) -> list[Ticket]:
    """Return this number of different tickets."""
    return [ticket(f"scene_{index}") for index in range(number)]
