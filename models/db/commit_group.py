"""The write transactions on SQLite that share a commit."""

import asyncio

from models.db.sqlite_writer import SqliteDriver


class CommitGroup:
    """Transactions that share one transaction of the database, and so its commit."""

    def __init__(self, driver: SqliteDriver) -> None:
        self.driver = driver
        # Whether BEGIN was sent.
        self.begun = False
        self.completed = 0
        # Whether a transaction waits for its turn to commit.
        self.is_led = False
        self.committed = False
        self.error: Exception | None = None
        self._is_over = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def ended(self) -> bool:
        """Whether it was committed or has failed."""
        return self.committed or self.error is not None

    async def end(self) -> None:
        """Wait until it has ended; a cancellation is raised then."""
        cancellation: asyncio.CancelledError | None = None
        while not self._is_over:
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(ended)
            try:
                await ended
            except asyncio.CancelledError as error:  # cancellation: raised after the end
                cancellation = error
        if cancellation is not None:
            raise cancellation

    def wake(self) -> None:
        """Wake those that wait for its end."""
        self._is_over = True
        for ended in self._waiting:
            if not ended.done():
                ended.set_result(None)
