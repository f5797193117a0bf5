"""The event bus. Its messages are hints, never state: a listener reads the database."""

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from models.writes.change import Tick

log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """A job has reached this version."""

    job_id: str
    version: int


class DeliveriesDue(NamedTuple):
    """Deliveries to webhooks were written."""


class Resync(NamedTuple):
    """Messages may have been lost: compare the positions of all readers with the database."""


Message = Hint | Tick | DeliveriesDue | Resync
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
