"""The deadline of takes on workers outside the server: those without any report for long fail, and are retried.

The time runs from the start of waiting, or from the last report. Any process may look; a take fails once, because the
row of its job is locked before the instant is looked at again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from coordinator.renders import failed_takes
from models.db import clock
from models.db.database import Connection
from models.db.rows import SceneRow
from models.db.tables import JOB, SCENE
from models.domain.access import EXTERNAL, SYSTEM
from models.domain.errors import InvalidState, NotFound
from models.domain.failures import failure_json
from models.domain.instants import SLACK
from models.domain.lifecycle import OPEN, SETTLED_SCENE, JobStatus, SceneStatus
from models.writes.change import Change
from models.writes.store import Store

log = logging.getLogger(__name__)

# Of scenes, given the current instant.
Condition = Callable[[datetime], sa.ColumnElement[bool]]

DEADLINE = timedelta(days=1)
# The scenes that are read, or corrected, at once.
AT_ONCE = 500
_LONGEST_CHECK_SECONDS, _SHORTEST_CHECK_SECONDS, _CHECKS_PER_DEADLINE = 60.0, 0.1, 10

# Not `IN (open statuses)`, for which SQLite would take the index of the queue, and read every open scene.
_OPEN = sa.and_(
    SCENE.c.status.not_in(SETTLED_SCENE),
    SCENE.c.deleted_at.is_(None),
    SCENE.c.leased_by.is_(None),
    JOB.c.deleted_at.is_(None),
)
_OF_JOB = SCENE.join(JOB, JOB.c.id == SCENE.c.job_id)


@dataclass(frozen=True, slots=True)
class SilentTakes:
    """Fails the takes on which no worker outside the server has reported for `deadline`."""

    store: Store
    deadline: timedelta = DEADLINE

    @property
    def check_seconds(self) -> float:
        """The pause between two looks: a minute, or less for a short deadline."""
        pause = self.deadline.total_seconds() / _CHECKS_PER_DEADLINE
        return min(_LONGEST_CHECK_SECONDS, max(_SHORTEST_CHECK_SECONDS, pause))

    async def fail(self) -> int:
        """Fail all takes that are due; return their number. Raises Unavailable."""
        failed = 0
        while due := await self._due():
            in_round = sum([await self._fail_in_job(job_id, scenes) for job_id, scenes in due.items()])
            if not in_round:
                # Others have failed them, or reports have come.
                break
            failed += in_round
        return failed

    async def note_unnoted(self) -> int:
        """Begin the time of open takes that a process of an older revision has scheduled; return their number."""
        return await self._restart(lambda _: SCENE.c.reported_at.is_(None))

    async def _due(self) -> dict[str, list[str]]:
        """Return some scenes whose takes are due, by job."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        async with self.store.read() as connection:
            instant = await clock.current(connection)
            for job_id, scene_id in await connection.execute(silent_since(instant - self.deadline)):
                found[job_id].append(scene_id)
            ahead = (await connection.execute(reported_after(instant))).first()
        if ahead is not None:
            # The clock of the database has gone back: the deadline of these takes restarts.
            await self._restart(_is_ahead)
        return found

    async def _fail_in_job(self, job_id: str, scene_ids: Sequence[str]) -> int:
        try:
            async with self.store.change(job_id, SYSTEM) as change:
                await change.read_scenes(scene_ids)
                scenes = [await change.scene(scene_id) for scene_id in scene_ids]
                silent = [scene for scene in scenes if self._is_silent(scene, change.now)]
                for scene in silent:
                    await self._fail_take(change, scene)
        except (NotFound, InvalidState):
            # The job was deleted meanwhile.
            return 0
        if silent:
            message = "%d takes failed for want of a report"
            log.info(message, len(silent), extra={"action": "external.timeout", "job": job_id})
        return len(silent)

    def _is_silent(self, scene: SceneRow, now: datetime) -> bool:
        """Whether the take of the row, which is locked now, is due."""
        is_open = scene.status in OPEN and scene.deleted_at is None and scene.leased_by is None
        return is_open and scene.reported_at is not None and scene.reported_at <= now - self.deadline

    async def _fail_take(self, change: Change, scene: SceneRow) -> None:
        seconds = self.deadline.total_seconds()
        failure = failure_json("TIMEOUT", f"No report within {seconds:g} seconds.", retryable=True, at=change.now)
        take = {"status": SceneStatus.FAILED, "failure": failure, "finished_at": change.now}
        if scene.take_started_at is None:
            # No worker took it up. It counts as an attempt, or it would be repeated for ever.
            change.set_scene(scene.id, attempts=scene.attempts + 1)
            scene = await change.scene(scene.id)
        await failed_takes.end(change, scene, take, repeatable=True, backoff_seconds=0.0)

    async def _restart(self, find: Condition) -> int:
        """Let the time of the takes of these scenes begin now; return their number."""
        restarted = 0
        while True:
            async with self.store.maintenance() as connection:
                written = await _write_now(connection, find)
            if not written:
                return restarted
            restarted += written


def silent_since(instant: datetime) -> sa.Select[str, str]:
    """Return the SELECT of some open scenes, with their jobs, whose last report is that old; the oldest first."""
    scenes = sa.select(SCENE.c.job_id, SCENE.c.id).select_from(_OF_JOB).where(SCENE.c.reported_at <= instant, _OPEN)
    return scenes.order_by(SCENE.c.reported_at).limit(AT_ONCE)


def reported_after(instant: datetime) -> sa.Select[str]:
    """Return the SELECT of a scene that was reported on in the future."""
    return sa.select(SCENE.c.id).where(_is_ahead(instant)).limit(1)


def _is_ahead(instant: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a scene was reported on in the future."""
    return SCENE.c.reported_at > instant + SLACK


async def _write_now(connection: Connection, find: Condition) -> int:
    """Write the current instant as that of the last report on some of these scenes; return their number."""
    condition = sa.and_(find(await clock.current(connection)), SCENE.c.status.in_(OPEN), SCENE.c.leased_by.is_(None))
    reported = sa.and_(JOB.c.provider == EXTERNAL, JOB.c.status == JobStatus.PROCESSING, JOB.c.deleted_at.is_(None))
    some = sa.select(SCENE.c.job_id, SCENE.c.id).select_from(_OF_JOB).where(condition, reported).limit(AT_ONCE)
    scenes = [(str(job_id), str(scene_id)) for job_id, scene_id in await connection.execute(some)]
    # Lock order as in every change: the job row first.
    job_ids = {job_id for job_id, _ in scenes}
    await connection.execute(sa.select(JOB.c.id).where(JOB.c.id.in_(job_ids)).order_by(JOB.c.id).with_for_update())
    scene_ids = [scene_id for _, scene_id in scenes]
    written = sa.update(SCENE).where(SCENE.c.id.in_(scene_ids), condition)
    return (await connection.execute(written.values(reported_at=await clock.current(connection)))).rowcount
