"""Claims of leased workers: the long poll for takes."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from coordinator.leases import passed_over
from coordinator.leases.claiming import Granted, NoneFree
from coordinator.leases.deps import LeaseDeps
from coordinator.leases.files import prepared
from coordinator.leases.inputs import ClaimRequest
from coordinator.leases.leases import Held, Leases
from coordinator.leases.passed_over import PassedOver
from coordinator.leases.waiting import WaitingRoom
from models.db import clock
from models.db.cancellation import raise_if_cancelled, shield_to_completion
from models.db.lease_rows import WorkerRow
from models.domain.access import Viewer
from models.domain.errors import InvalidState, LeaseLost, NotFound
from models.domain.leases import LONGEST_LEASE
from models.reads import lines
from models.writes.store import Store
from providers.port import Failure

# How often a request that waits looks whether its worker still does.
LOOK_SECONDS = 5.0


class Claimed(NamedTuple):
    """The result of a claim: leases, or the reasons why there are none."""

    worker: WorkerRow
    granted: Sequence[Granted]
    passed_over: Sequence[PassedOver]


class Claims:
    """Leases takes to workers. The commands on a lease are in `leases`."""

    def __init__(self, store: Store, deps: LeaseDeps, leases: Leases) -> None:
        self._store = store
        self._deps = deps
        self._leases = leases

    async def claim(self, viewer: Viewer, request: ClaimRequest, is_gone: Callable[[], Awaitable[bool]]) -> Claimed:
        """Lease queued takes to a worker; wait for the first one for the seconds in the request.

        A worker that `is_gone` reads no answer: it gets nothing, and what it was given meanwhile waits again.
        """
        request.check()
        worker = await self._deps.registry.seen(viewer, request.worker)
        wait_until = time.monotonic() + request.wait_seconds
        room, reason = self._deps.room, None
        while True:
            if await is_gone():
                return Claimed(worker, [], [])
            seen_round = room.round
            granted, pause, reason = await self._attempt(worker, request, seen_round)
            left = wait_until - time.monotonic()
            if granted or left <= 0 or room.closed:
                break
            await _changed(room, seen_round, min(left, pause), is_gone)
            if room.round == seen_round and pause > left:
                # No message has come meanwhile.
                break
        if granted and await is_gone():
            await self._take_back(worker, granted)
            return Claimed(worker, [], [])
        self._deps.registry.record_call(worker.id)
        if granted:
            room.handed_out += len(granted)
            return Claimed(worker, granted, [])
        counted = await self._deps.counts.of(self._store, _scope(worker), (room.round, room.handed_out))
        return Claimed(worker, granted, passed_over.passed_over(counted, worker, reason))

    async def _attempt(
        self, worker: WorkerRow, request: ClaimRequest, seen_round: int
    ) -> tuple[list[Granted], float, str | None]:
        """Return the new leases; without any, the seconds until a retry is due, and the reason."""
        if worker.unhealthy_reason is not None:
            return [], LONGEST_LEASE.total_seconds(), passed_over.UNHEALTHY
        room, kind = self._deps.room, (tuple(worker.models), repr(worker.labels), _scope(worker))
        granted: list[Granted] = []
        async with room.turns:
            begun_at = time.monotonic()
            if room.nothing_for(kind):
                return [], LONGEST_LEASE.total_seconds(), None
            claiming = self._deps.claiming._replace(store=self._store)
            try:
                while len(granted) < request.most:
                    found = await claiming.next(worker, request.lease_seconds)
                    if found is None:
                        break
                    if (ready := await self._ready(worker, found)) is not None:
                        granted.append(ready)
            except NoneFree:
                return granted, LONGEST_LEASE.total_seconds(), passed_over.LIMIT
            except BaseException:
                # The worker gets no response, so it cannot use these leases.
                await shield_to_completion(self._take_back(worker, granted))
                raise
            if granted:
                return granted, 0.0, None
            pause = await self._until_due(worker, begun_at)
            if pause is None:
                room.note_nothing_for(kind, seen_round)
        return [], LONGEST_LEASE.total_seconds() if pause is None else pause, None

    async def _ready(self, worker: WorkerRow, granted: Granted) -> Granted | None:
        """Return a lease with the files of its take; None when they are not available, and the take has failed."""
        try:
            return granted._replace(files=await prepared(self._deps.input_files, granted.scene.inputs))
        except Failure as failure:
            raise_if_cancelled(failure)
            held = Held(granted.lease, worker, granted.scene)
            # It may have been canceled, or be late, while the files were made ready.
            with suppress(LeaseLost, NotFound, InvalidState):
                await self._leases.end_failed(held, failure.code, failure.message, failure.retryable)
        except BaseException:
            await shield_to_completion(self._take_back(worker, [granted]))
            raise
        return None

    async def _take_back(self, worker: WorkerRow, granted: Sequence[Granted]) -> None:
        """Queue takes again whose worker gets no response."""
        for each in granted:
            await self._leases.take_back(Held(each.lease, worker, each.scene))

    async def _until_due(self, worker: WorkerRow, since: float) -> float | None:
        """Return the seconds until the first matching retry is due; None if there is none.

        It may have become due since this monotonic time, when the request began to look.
        """
        async with self._store.read() as connection:
            found = await lines.lines_for(connection, worker.models, worker.labels, _scope(worker))
            if not found:
                return None
            instant = await clock.current(connection)
            due = await lines.next_due(connection, found, instant - timedelta(seconds=time.monotonic() - since))
        return None if due is None else max(0.0, (due - instant).total_seconds())


async def _changed(room: WaitingRoom, seen_round: int, seconds: float, is_gone: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a later round, at most this long, and no longer than the worker does."""
    wait_until = time.monotonic() + seconds
    while room.round == seen_round and not room.closed and not await is_gone():
        left = wait_until - time.monotonic()
        if left <= 0:
            return
        await room.changed_since(seen_round, min(left, LOOK_SECONDS))


def _scope(worker: WorkerRow) -> str | None:
    """Return the owner whose takes the worker may lease; None for all."""
    return None if worker.serves_all else worker.owner_id
