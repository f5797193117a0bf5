"""A queue that records what is enqueued and runs nothing."""

from collections.abc import Sequence

from coordinator.queue.port import Assembler, Handler
from models.db.database import Connection
from models.writes.change import Assembly, Ticket, Work


class RecordingQueue:
    """Records tickets and assemblies."""

    joins_transactions = False

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self.assemblies: list[Assembly] = []

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        self.tickets += [each for each in work if isinstance(each, Ticket)]
        self.assemblies += [each for each in work if isinstance(each, Assembly)]

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        raise NotImplementedError

    async def prune(self) -> None:
        raise NotImplementedError
