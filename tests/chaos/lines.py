"""A line: one connection over which a subscriber is told what happens, whatever the transport."""

from enum import Enum, auto
from typing import Any, Protocol

Json = dict[str, Any]


class Leaving(Enum):
    """How a subscriber leaves."""

    POLITELY = auto()
    ABRUPTLY = auto()
    IN_MID_MESSAGE = auto()


class Ended(Exception):
    """The server ended the stream, or closed the connection, and said so."""


class Line(Protocol):
    """Over which messages of jobEvents come."""

    async def message(self) -> Json:
        """The next message. Raises Ended, or OSError or EOFError when the server is gone."""
        ...

    async def leave(self, how: Leaving) -> None:
        """Be gone, in one of these ways."""
        ...

    def cut(self) -> None:
        """Be gone at once; also when gone already."""
        ...
