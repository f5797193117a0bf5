"""A queue for looking at what is put into it."""

from collections.abc import Sequence

from coordinator.dispatch import Assembler, Handler
from models.change import Assembly, Ticket, Work
from models.database import Connection


class Gathering:
    """A queue that only takes."""

    joins_transactions = False

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self.assemblies: list[Assembly] = []

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        self.tickets += [each for each in work if isinstance(each, Ticket)]
        self.assemblies += [each for each in work if isinstance(each, Assembly)]

    async def cancel(self, keys: Sequence[str]) -> None:
        raise NotImplementedError

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        raise NotImplementedError

    async def tidy(self) -> None:
        raise NotImplementedError
