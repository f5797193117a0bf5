"""The event bus. It carries hints and ticks, never state: whoever hears one reads the database."""

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from models.writes.change import Tick

log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """A job has reached this version."""

    job_id: str
    version: int


class Resync(NamedTuple):
    """Messages may have been lost: compare what was read with what is there."""


Message = Hint | Tick | Resync
Listener = Callable[[Message], None]


class Bus(Protocol):
    """Tells every interested process that there is something new to read."""

    def publish(self, message: Message) -> None:
        """Tell all listeners, soon; never blocks, never raises, may lose messages when a connection breaks."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; the answer stops that."""
        ...


class LocalBus:
    """The bus of a single process: a direct call."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, message: Message) -> None:
        """Tell all listeners at once."""
        for listener in tuple(self._listeners):
            try:
                listener(message)
            except Exception:
                # What is told of is committed: neither its author nor the other listeners must suffer.
                log.exception("a listener failed", extra={"action": "bus.listener"})

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; the answer stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
