"""The reasons why queued takes were not leased to a worker."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from models.db.lease_rows import WorkerRow
from models.domain.leases import Demand
from models.reads import lines
from models.writes.store import Store

UNHEALTHY = "the worker says that it is unhealthy"
LIMIT = "the limit of concurrent leased takes is reached"
NO_MODEL = "no such model"
NO_LABELS = "other labels are required"
PAUSED = "the next attempt is not due"

COUNT_SECONDS = 2.0
# Owners whose counts are kept.
MOST_KEPT = 1_000

# Demands, with the numbers of takes that wait, and of those among them that are paused.
Counted = Sequence[tuple[Demand, int, int]]


class PassedOver(NamedTuple):
    """A reason, and its number of takes."""

    reason: str
    takes: int


class Counts:
    """The takes that wait, counted at most every COUNT_SECONDS while nothing changes: empty answers show them."""

    def __init__(self) -> None:
        self._kept: dict[str | None, tuple[tuple[int, int], float, Counted]] = {}

    async def of(self, store: Store, owner_id: str | None, state: tuple[int, int]) -> Counted:
        """Return the queued takes of an owner, or of all; they are counted again when `state` differs."""
        kept = self._kept.get(owner_id)
        if kept is None or kept[0] != state or time.monotonic() - kept[1] > COUNT_SECONDS:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            async with store.read() as connection:
                kept = (state, time.monotonic(), await lines.counts(connection, owner_id))
            self._kept[owner_id] = kept
        return kept[2]


def passed_over(counted: Counted, worker: WorkerRow, reason: str | None) -> list[PassedOver]:
    """Return why the takes that wait were not handed out to a worker; `reason` concerns all that it is fit for."""
    found = Counter[str]()
    for demand, takes, paused in counted:
        if not demand.has_model(worker.models):
            found[NO_MODEL] += takes
        elif not demand.has_labels(worker.labels):
            found[NO_LABELS] += takes
        else:
            found[PAUSED] += paused
            if reason is not None:
                found[reason] += takes - paused
    return [PassedOver(each, takes) for each, takes in found.most_common() if takes]
