"""The revocations that requests are checked against, read at most once a second for each subject."""

import time
from collections import OrderedDict
from datetime import datetime

from models.reads import revocations
from models.writes.store import Store

MAX_AGE_SECONDS = 1.0
"""The longest time for which a request with a revoked token is still answered."""

REMEMBERED_SUBJECTS = 10_000


class RevokedSubjects:
    """Looks up when the tokens of a subject were revoked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # By subject: when the row was read, by the monotonic clock, and the instant in it.
        self._read: OrderedDict[str, tuple[float, datetime | None]] = OrderedDict()

    def was_read(self, subject: str) -> bool:
        """Return whether `revoked_at` of this subject needs no look at the database now."""
        known = self._read.get(subject)
        return known is not None and time.monotonic() - known[0] < MAX_AGE_SECONDS

    def as_read(self, subject: str) -> datetime | None:
        """Return the instant that was read last."""
        return self._read[subject][1]

    async def revoked_at(self, subject: str) -> datetime | None:
        """Return the instant before which the tokens of the subject are revoked, if any. Raises Unavailable."""
        if self.was_read(subject):
            return self.as_read(subject)
        now = time.monotonic()
        async with self._store.read() as connection:
            found = await revocations.of_subjects(connection, [subject])
        revoked_at = found.get(subject)
        self._read[subject] = (now, revoked_at)
        self._read.move_to_end(subject)
        if len(self._read) > REMEMBERED_SUBJECTS:
            self._read.popitem(last=False)
        return revoked_at
