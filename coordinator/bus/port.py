"""The event bus. Its messages to other processes are hints, never state: a listener reads the database."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self

from models.db.rows import EventRow, JobRow
from models.writes.change import Tick

log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """A job has reached this version."""

    job_id: str
    version: int


class Change(Hint):
    """The hint of a change that this process has committed, with its events and the job: both need not be read.

    Equal to a plain hint, which is what other processes receive.
    """

    events: Sequence[EventRow]
    job: JobRow

    def __new__(cls, events: Sequence[EventRow], job: JobRow) -> Self:
        """Make the hint of these events, which end at the version of the job."""
        change = super().__new__(cls, job.id, job.version)
        change.events, change.job = events, job
        return change


class DeliveriesDue(NamedTuple):
    """Deliveries to webhooks were written."""


class LeasedWork(NamedTuple):
    """Takes wait for leased workers."""


class TokenRevoked(NamedTuple):
    """An access token was revoked."""

    token_id: str


class Resync(NamedTuple):
    """Messages may have been lost: compare the positions of all readers with the database."""


Message = Hint | Tick | DeliveriesDue | LeasedWork | TokenRevoked | Resync
Listener = Callable[[Message], None]


class Bus(Protocol):
    """Notifies every process that there is something new to read."""

    def publish(self, message: Message) -> None:
        """Send a message to all listeners soon. Never blocks or raises; a lost connection may lose messages."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; returns a function that stops it."""
        ...


class LocalBus:
    """The bus of a single process: a direct call."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, message: Message) -> None:
        """Call all listeners now; an error of one is logged and does not reach the publisher or the others."""
        for listener in tuple(self._listeners):
            try:
                listener(message)
            except Exception:
                log.exception("a listener failed", extra={"action": "bus.listener"})

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; returns a function that stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
