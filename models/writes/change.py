"""A change of a job: collected in the block of `store.change`, and committed at its end."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import SCENE_FIELDS_OF_TAKE, SCENE_SELECT, EventRow, JobRow, SceneRow
from models.db.tables import SCENE, TAKE
from models.domain.access import SYSTEM, Viewer
from models.domain.arrangement import Arrangement
from models.domain.errors import DomainError, DomainErrors, ErrorCode, NotFound
from models.domain.events import EventType
from models.domain.lifecycle import SETTLED_JOB, SceneStatus, job_status
from models.writes.new_take import NewTake


class Ticket(NamedTuple):
    """The work of rendering one take. A higher `priority` goes first."""

    provider: str
    job_id: str
    scene_id: str
    take_number: int
    priority: int = 0
    delay_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The deduplication key: a take that waits or runs is not enqueued again."""
        return f"{self.scene_id}:{self.take_number}"


class Assembly(NamedTuple):
    """The work of joining the clips of a job: those of the composition that became complete at this version."""

    job_id: str
    composition_version: int
    delay_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The deduplication key: a composition that waits or runs is not enqueued again."""
        return f"{self.job_id}:{self.composition_version}"


Work = Ticket | Assembly


class Tick(NamedTuple):
    """A notification that the progress of a running scene has changed. Not an event of the log."""

    job_id: str
    scene_id: str


class Change:
    """The changes that one transaction makes to one job.

    `job` is updated in memory and written once at the end; scenes and takes are written at once. Each recorded event
    takes the next version of the job.
    """

    def __init__(self, connection: Connection, job: JobRow, viewer: Viewer, now: datetime) -> None:
        self.connection = connection
        self.job = job
        self.viewer = viewer
        self.now = now
        self.events: list[EventRow] = []
        self.tickets: list[Ticket] = []
        self.assembly: Assembly | None = None
        self.fenced: list[str] = []
        self.ticks: list[Tick] = []
        # Whether to commit even without an event: the answer to an idempotency key was stored.
        self.keep = False
        self.before = job
        self.composition_is_changed = False
        # The number of takes of the job's owner that wait for a worker; None until it is counted.
        self.waiting: int | None = None
        self._arrangement: Arrangement | None = None

    def record(self, kind: EventType, scene_id: str | None = None, changed: Sequence[str] = ()) -> int:
        """Append an event and return its version."""
        actor = None if self.viewer is SYSTEM else self.viewer.id
        version = self.job.version + 1
        self.job = self.job._replace(version=version, updated_at=self.now)
        self.events.append(EventRow(self.job.id, version, kind, scene_id, actor, list(changed), self.now))
        return version

    def set_job(self, **values: Any) -> None:
        """Set columns of the job."""
        self.job = self.job._replace(**values)

    def composition_changed(self) -> None:
        """Mark the joined video stale: its clips or their order changed."""
        self.composition_is_changed = True

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """A savepoint: a refusal in this block undoes what the block wrote and collected."""
        job, waiting, composition_is_changed = self.job, self.waiting, self.composition_is_changed
        arrangement = self._arrangement and self._arrangement.copy()
        collected: list[list[Any]] = [self.events, self.tickets, self.fenced, self.ticks]
        lengths = [len(each) for each in collected]
        try:
            async with self.connection.begin_nested():
                yield
        except (DomainError, DomainErrors):
            self.job, self.waiting, self.composition_is_changed, self._arrangement = (
                job,
                waiting,
                composition_is_changed,
                arrangement,
            )
            for each, length in zip(collected, lengths, strict=True):
                del each[length:]
            raise

    async def scene(self, scene_id: str, path: Sequence[str] = ("input", "sceneId")) -> SceneRow:
        """Return a scene of this job. Raises NotFound (SCENE_NOT_IN_JOB) for any other id."""
        query = SCENE_SELECT.where(SCENE.c.id == scene_id, SCENE.c.job_id == self.job.id)
        scene = rows.first_row(SceneRow, await self.connection.execute(query))
        if scene is None:
            raise NotFound("The job has no such scene.", path, scene_id, ErrorCode.SCENE_NOT_IN_JOB)
        return scene

    async def deleted_scenes(self) -> list[SceneRow]:
        """Return the deleted scenes in their former order."""
        query = SCENE_SELECT.where(SCENE.c.job_id == self.job.id, SCENE.c.deleted_at.is_not(None))
        return rows.all_rows(SceneRow, await self.connection.execute(query.order_by(SCENE.c.position, SCENE.c.id)))

    async def live_scenes(self) -> list[SceneRow]:
        """Return the scenes that are not deleted, in play order."""
        query = SCENE_SELECT.where(SCENE.c.job_id == self.job.id, SCENE.c.deleted_at.is_(None))
        return rows.all_rows(SceneRow, await self.connection.execute(query.order_by(SCENE.c.position)))

    async def write_scene(
        self,
        before: SceneRow,
        kind: EventType,
        changed: Sequence[str],
        *,
        take: dict[str, Any] | None = None,
        new_take: NewTake | None = None,
        **values: Any,
    ) -> SceneRow:
        """Record an event of the scene, write its columns, and with `take` columns of its current take.

        `before` must be the row as this transaction last read or wrote it. A `new_take` is inserted and becomes the
        current take. Returns the row as a SELECT in this transaction would return it now.
        """
        version = self.record(kind, before.id, changed)
        values |= {"version": version, "updated_at": self.now}
        if new_take is not None:
            await self._insert_take(before.id, new_take)
            values |= new_take.scene_columns
        await self.connection.execute(sa.update(SCENE).where(SCENE.c.id == before.id).values(values))
        if take:
            take_id = values.get("take_id", before.take_id)
            await self.connection.execute(sa.update(TAKE).where(TAKE.c.id == take_id).values(take))
        after = await self._row_after(before, values, take or {}, is_new_take=new_take is not None)
        self._recount(before, after)
        return after

    async def insert_scene(self, scene: dict[str, Any], take: NewTake) -> None:
        """Write a new live scene and its first take."""
        await self.connection.execute(sa.insert(SCENE).values(scene | take.scene_columns))
        await self._insert_take(scene["id"], take)
        self._count(SceneStatus(scene["status"]), 1)

    async def _row_after(
        self, before: SceneRow, values: dict[str, Any], take: dict[str, Any], *, is_new_take: bool
    ) -> SceneRow:
        if is_new_take:
            before = before._replace(**dict.fromkeys(SCENE_FIELDS_OF_TAKE))
        elif values.get("take_id", before.take_id) != before.take_id:
            # An earlier take becomes the current one; its columns are not known here.
            return await self.scene(before.id)
        written = {field: take[column] for field, column in SCENE_FIELDS_OF_TAKE.items() if column in take}
        return before._replace(**values, **written)

    async def _insert_take(self, scene_id: str, take: NewTake) -> None:
        await self.connection.execute(
            sa.insert(TAKE).values(
                id=take.id,
                scene_id=scene_id,
                job_id=self.job.id,
                number=take.number,
                reason=take.reason,
                prompt=take.prompt,
                status=SceneStatus.PENDING,
                provider=self.job.provider,
                created_at=self.now,
            )
        )

    async def arrangement(self) -> Arrangement:
        """Return the play order, to be changed; `arrange` writes the moved positions, at the end at the latest."""
        if self._arrangement is None:
            query = sa.select(SCENE.c.id, SCENE.c.position, SCENE.c.deleted_at).where(SCENE.c.job_id == self.job.id)
            found = await self.connection.execute(query.order_by(SCENE.c.position, SCENE.c.id))
            self._arrangement = Arrangement(
                (scene_id, place, deleted is not None) for scene_id, place, deleted in found
            )
        return self._arrangement

    async def arrange(self) -> None:
        """Write the positions of moved scenes, as part of the event recorded last."""
        moved = self._arrangement.moved() if self._arrangement is not None else {}
        if moved:
            clock = {"version": self.job.version, "updated_at": self.now}
            await self.connection.execute(
                sa.update(SCENE).where(SCENE.c.id == sa.bindparam("scene")),
                [{"scene": scene_id, "position": position, **clock} for scene_id, position in moved.items()],
            )

    def settle(self) -> None:
        """Derive the job's status; when it becomes final, record that as the last event."""
        if not self.events:
            return
        status = job_status(left_draft=self.job.left_draft, counts=self.job.counts)
        if status is self.before.status:
            return
        settled = status in SETTLED_JOB
        self.set_job(status=status, finished_at=self.now if settled else None)
        if settled:
            self.record(EventType.JOB_SETTLED, changed=["status", "finishedAt"])

    def _recount(self, before: SceneRow, after: SceneRow) -> None:
        if before.deleted_at is None:
            self._count(before.status, -1, retrying=_waits_for_retry(before))
        if after.deleted_at is None:
            self._count(after.status, 1, retrying=_waits_for_retry(after))

    def _count(self, status: SceneStatus, by: int, *, retrying: bool = False) -> None:
        name = status.value.lower()
        self.set_job(**{name: getattr(self.job, name) + by})
        if retrying:
            self.set_job(retrying=self.job.retrying + by)


def _waits_for_retry(scene: SceneRow) -> bool:
    return scene.status is SceneStatus.PENDING and scene.next_attempt_at is not None
