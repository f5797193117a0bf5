"""Positions of the jobs that begin to be watched: one statement for all that begin at the same time."""

import asyncio
import logging
from collections.abc import Sequence

from coordinator.live.reader import Reader
from coordinator.retrying import LONGEST_RETRY_SECONDS, RETRY_SECONDS
from coordinator.tasks import Tasks
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.reads import queries
from models.writes.store import Store

log = logging.getLogger(__name__)

# Jobs of one statement: thousands of them would delay everything else.
JOBS_A_READ = 500


class Positions:
    """Gives each new reader the version of its job, after which it has to send events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Reader] = []
        self._tasks = Tasks("live streams")
        # Not whether there is a task: it is there for a moment longer than it looks at those that wait.
        self._is_finding = False

    def find(self, reader: Reader) -> None:
        """Begin the reader soon; retried while the database does not answer."""
        self._waiting.append(reader)
        if not self._is_finding:
            self._is_finding = True
            self._tasks.start(self._find_all(), "hub positions")

    async def stop(self) -> None:
        """Stop; the readers that wait are not begun."""
        await self._tasks.stop()

    async def _find_all(self) -> None:
        try:
            await asyncio.sleep(0)  # for others that join at the same moment
            await self._begin_waiting()
        finally:
            self._is_finding = False

    async def _begin_waiting(self) -> None:
        """Begin all readers that wait; after an error, try again."""
        pause = RETRY_SECONDS
        while self._waiting:
            try:
                await self._begin(self._waiting[:JOBS_A_READ])
            except Unavailable as error:
                raise_if_cancelled(error)
                log.debug("positions wait: %s", error, extra={"action": "hub.positions.unavailable"})
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:
                raise_if_cancelled(error)
                log.exception("positions are read again in %g s", pause, extra={"action": "hub.positions.failed"})
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    async def _begin(self, readers: Sequence[Reader]) -> None:
        watched = [reader for reader in readers if reader.watchers]
        if watched:
            job_heads = await queries.job_heads(self._store.database, [reader.job_id for reader in watched])
            for reader in watched:
                job_head = job_heads.get(reader.job_id)
                reader.begin(0 if job_head is None else job_head.version)
        del self._waiting[: len(readers)]
