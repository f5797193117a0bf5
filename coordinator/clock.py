"""Correction of stored instants that lie in the future because the clock of the database went back.

Code that waits for an instant treats one further ahead than its longest span as reached (see `models.db.clock`). Two
kinds of instants remain to be corrected: the pauses of webhook deliveries, whose span follows from their attempts only,
and instants from which the age of a row is counted before it is deleted. See docs/decisions/0013-clock.md.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Never

import sqlalchemy as sa

from coordinator.assets import purge as asset_purge
from coordinator.webhooks import deliveries
from coordinator.webhooks.commands import ROTATION
from models.db import clock
from models.db.cancellation import raise_if_cancelled
from models.db.tables import AUDIT, DISCARDED_MEDIA, IDEMPOTENCY_KEY, JOB, SCENE, WEBHOOK
from models.domain.access import SYSTEM
from models.domain.errors import NotFound, Unavailable
from models.domain.events import EventType
from models.writes.media_gc import LONGEST_AHEAD
from models.writes.store import Store

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
# Instants this little ahead are written by transactions in progress, and need no correction.
TOLERANCE = timedelta(seconds=1)
# Ages are corrected once the clock was not set for this long: a clock that starts in 1970 is set within minutes.
STEADY_SECONDS = 3600.0


async def watch(store: Store, on_step_back: Callable[[], None]) -> Never:
    """Correct stored instants at the start and when the clock of the database goes back; then call `on_step_back`."""
    watched = _Watched()
    while True:
        # Requests and renders report an unavailable database themselves.
        try:
            await watched.check(store, on_step_back)
        except Unavailable as error:
            raise_if_cancelled(error)
        await asyncio.sleep(CHECK_SECONDS)


class _Watched:
    """The offset of the database's clock from the monotonic clock, when it last changed, and the corrections due."""

    def __init__(self) -> None:
        self._offset: timedelta | None = None
        self._set_at = 0.0
        self._ages_due = True

    async def check(self, store: Store, on_step_back: Callable[[], None]) -> None:
        before, offset = self._offset, await _offset(store)
        if before is None or abs(offset - before) > TOLERANCE:
            self._set_at, self._ages_due = time.monotonic(), True
        if before is None or offset < before - TOLERANCE:
            await correct_pauses(store)
        if before is not None and offset < before - TOLERANCE:
            log.warning("the clock went back by %s", before - offset, extra={"action": "clock.back"})
            on_step_back()
        if self._ages_due and time.monotonic() - self._set_at >= STEADY_SECONDS:
            await correct_ages(store)
            self._ages_due = False
        # Stored last, so that the next check repeats corrections that an unavailable database has prevented.
        self._offset = offset


async def _offset(store: Store) -> timedelta:
    """Return by how much the clock of the database is ahead of the monotonic clock of this process."""
    if store.database.embedded:
        # It is that of this process, which costs an idle server less than a connection.
        instant = clock.now()
    else:
        async with store.read() as connection:
            instant = await clock.current(connection)
    return instant - datetime.fromtimestamp(time.monotonic(), instant.tzinfo)


async def correct_pauses(store: Store) -> None:
    """Restart, from now, the pauses of webhook deliveries that began in the future. Idempotent. Raises Unavailable."""
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        _report(await deliveries.correct_pauses(connection, instant, instant + TOLERANCE))


async def correct_ages(store: Store) -> None:
    """Set instants of writes and deletions that lie in the future to now, so that ages count from now. Idempotent.

    Raises Unavailable.
    """
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        latest = instant + TOLERANCE
        moved = [
            _moved(IDEMPOTENCY_KEY.c.created_at, latest, instant),
            _moved(AUDIT.c.at, latest, instant),
            _moved(DISCARDED_MEDIA.c.discarded_at, latest + LONGEST_AHEAD, instant + LONGEST_AHEAD),
            _moved(WEBHOOK.c.failing_since, latest, instant),
            _moved(WEBHOOK.c.previous_until, latest + ROTATION, instant + ROTATION),
        ]
        counts = [(await connection.execute(update)).rowcount for update in moved]
        corrected = sum(counts) + await deliveries.correct_ages(connection, instant, latest)
        corrected += await asset_purge.correct_ages(connection, instant, latest)
    _report(corrected + await _correct_deletions(store))


def _moved(column: sa.Column[Any], latest: datetime, to: datetime) -> sa.Update:
    return sa.update(column.table).where(column > latest).values({column: to})


def _report(corrected: int) -> None:
    if corrected:
        log.warning("corrected %d stored instants in the future", corrected, extra={"action": "clock.corrected"})


async def _correct_deletions(store: Store) -> int:
    """Restart, from now, the recovery windows of jobs and scenes deleted in the future; return their number.

    Clients are shown the windows, so each correction is a change of the job.
    """
    async with store.read() as connection:
        latest = await clock.current(connection) + TOLERANCE
        # purge_after is later than deleted_at, and it has an index.
        jobs = sa.select(JOB.c.id).where(JOB.c.purge_after > latest, JOB.c.deleted_at > latest)
        scenes = sa.select(SCENE.c.job_id, SCENE.c.id).where(SCENE.c.purge_after > latest, SCENE.c.deleted_at > latest)
        deleted_jobs = list((await connection.execute(jobs)).scalars())
        deleted_scenes = [(str(job_id), str(scene_id)) for job_id, scene_id in await connection.execute(scenes)]
    for job_id in deleted_jobs:
        await _unless_purged(_correct_job(store, job_id))
    for job_id, scene_id in deleted_scenes:
        await _unless_purged(_correct_scene(store, job_id, scene_id))
    return len(deleted_jobs) + len(deleted_scenes)


async def _unless_purged(change: Awaitable[None]) -> None:
    try:
        await change
    except NotFound:
        return


async def _correct_job(store: Store, job_id: str) -> None:
    async with store.change(job_id, SYSTEM, deleted=True) as change:
        window = _window(change.job.deleted_at, change.job.purge_after, change.now)
        if window is not None:
            change.set_job(deleted_at=change.now, purge_after=change.now + window)
            change.record(EventType.JOB_UPDATED, changed=["deletedAt"])


async def _correct_scene(store: Store, job_id: str, scene_id: str) -> None:
    async with store.change(job_id, SYSTEM, deleted=True) as change:
        scene = await change.scene(scene_id)
        window = _window(scene.deleted_at, scene.purge_after, change.now)
        if window is not None:
            await change.write_scene(
                scene,
                EventType.SCENE_UPDATED,
                ["deletedAt"],
                deleted_at=change.now,
                purge_after=change.now + window,
            )


def _window(deleted_at: datetime | None, purge_after: datetime | None, now: datetime) -> timedelta | None:
    """Return the recovery window of an object deleted in the future; None for any other."""
    if deleted_at is None or purge_after is None or deleted_at <= now:
        return None
    return purge_after - deleted_at
