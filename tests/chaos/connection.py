"""The connection over which a subscriber receives messages, whatever the transport."""

from enum import Enum, auto
from typing import Any, Protocol

Json = dict[str, Any]


class Leave(Enum):
    """How a subscriber disconnects."""

    CLOSE = auto()
    ABORT = auto()
    ABORT_IN_MESSAGE = auto()


class StreamEnded(Exception):
    """The server ended the stream or closed the connection."""


class Connection(Protocol):
    """A subscription to the events of one job."""

    async def message(self) -> Json:
        """Return the next message. Raises StreamEnded, or OSError or EOFError when the connection is lost."""
        ...

    async def leave(self, how: Leave) -> None:
        """Disconnect in one of these ways."""
        ...

    def abort(self) -> None:
        """Disconnect at once. Idempotent."""
        ...
