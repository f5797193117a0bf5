"""A queue for looking at what is put into it."""

from collections.abc import Sequence

from coordinator.dispatch import Handler
from models.change import Ticket
from models.database import Connection


class Gathering:
    """A queue that only takes."""

    joins_transactions = False

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def enqueue(self, tickets: Sequence[Ticket], connection: Connection | None = None) -> None:
        self.tickets += tickets

    async def cancel(self, keys: Sequence[str]) -> None:
        raise NotImplementedError

    async def run(self, handler: Handler) -> None:
        raise NotImplementedError

    async def tidy(self) -> None:
        raise NotImplementedError
