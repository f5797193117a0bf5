"""A change in the making: what the block of `store.change` works with."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import SCENE_FIELDS_OF_TAKE, SCENE_SELECT, EventRow, JobRow, SceneRow
from models.db.tables import SCENE, TAKE
from models.domain import ids
from models.domain.access import SYSTEM, Viewer
from models.domain.arrangement import Arrangement
from models.domain.errors import DomainError, DomainErrors, ErrorCode, NotFound
from models.domain.events import EventType
from models.domain.lifecycle import SETTLED_JOB, SceneStatus, TakeReason, job_status


class Ticket(NamedTuple):
    """A render to be dispatched. A higher `priority` goes first."""

    provider: str
    job_id: str
    scene_id: str
    take_number: int
    priority: int = 0
    delay_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The same for the same take, so that dispatching it twice is harmless."""
        return f"{self.scene_id}:{self.take_number}"


class Assembly(NamedTuple):
    """The clips of a job to be joined: those of the composition that became complete at version `cut`."""

    job_id: str
    composition_version: int
    delay_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The same for the same composition, so that dispatching it twice is harmless."""
        return f"{self.job_id}:{self.composition_version}"


Work = Ticket | Assembly


class NewTake(NamedTuple):
    """A pending take that is written together with its scene and becomes the scene's current take."""

    id: str
    number: int
    reason: TakeReason
    prompt: str

    @property
    def scene_columns(self) -> dict[str, Any]:
        """The columns of the scene that make the take its current one."""
        return {"take_id": self.id, "take_number": self.number, "newest_take": self.number}


def first_take(prompt: str) -> NewTake:
    """Return the first take of a new scene."""
    return NewTake(ids.new("take"), 1, TakeReason.INITIAL, prompt)


def next_take(scene: SceneRow, reason: TakeReason, prompt: str) -> NewTake:
    """Return the take that follows the newest one of the scene."""
    return NewTake(ids.new("take"), scene.newest_take + 1, reason, prompt)


class Tick(NamedTuple):
    """A running render got on: its scene's row says how far. Not in the log."""

    job_id: str
    scene_id: str


class Change:
    """Collects what one transaction does to one job.

    `job` is kept up to date in memory and written once at the end; scenes and takes are written as they change.
    Every recorded event takes the next version of the job.
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
        # Whether something beside the job is to be kept even if nothing happens to the job: a remembered answer.
        self.keep = False
        self.before = job
        self.composition_is_changed = False
        # How many takes of the job's owner wait for a worker; None until somebody has counted.
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
        """Change columns of the job itself."""
        self.job = self.job._replace(**values)

    def composition_changed(self) -> None:
        """The clips that make up the video, or their order, are others now: a joined one is stale."""
        self.composition_is_changed = True

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """A part of the change that leaves no trace when it is refused: neither rows nor what is kept here."""
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
        """A scene of this job. Raises NotFound (SCENE_NOT_IN_JOB) for one of another job or none at all."""
        query = SCENE_SELECT.where(SCENE.c.id == scene_id, SCENE.c.job_id == self.job.id)
        scene = rows.first_row(SceneRow, await self.connection.execute(query))
        if scene is None:
            raise NotFound("The job has no such scene.", path, scene_id, ErrorCode.SCENE_NOT_IN_JOB)
        return scene

    async def deleted_scenes(self) -> list[SceneRow]:
        """The scenes that can be restored, in the order in which they were."""
        query = SCENE_SELECT.where(SCENE.c.job_id == self.job.id, SCENE.c.deleted_at.is_not(None))
        return rows.all_rows(SceneRow, await self.connection.execute(query.order_by(SCENE.c.position, SCENE.c.id)))

    async def live_scenes(self) -> list[SceneRow]:
        """The scenes that are not deleted, in play order."""
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

        `before` is the row as this transaction read or wrote it last. With `new_take` that take is inserted and becomes
        the current one. Returns the row as a SELECT in this transaction would now return it.
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
            # An earlier take becomes the current one; the columns of its files are not known here.
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
        """The play order, to be changed; what moves is written by `arrange`, in the end at the latest."""
        if self._arrangement is None:
            query = sa.select(SCENE.c.id, SCENE.c.position, SCENE.c.deleted_at).where(SCENE.c.job_id == self.job.id)
            found = await self.connection.execute(query.order_by(SCENE.c.position, SCENE.c.id))
            self._arrangement = Arrangement(
                (scene_id, place, deleted is not None) for scene_id, place, deleted in found
            )
        return self._arrangement

    async def arrange(self) -> None:
        """Write the new positions of the scenes that have moved, as part of the event recorded last."""
        moved = self._arrangement.moved() if self._arrangement is not None else {}
        if moved:
            clock = {"version": self.job.version, "updated_at": self.now}
            await self.connection.execute(
                sa.update(SCENE).where(SCENE.c.id == sa.bindparam("scene")),
                [{"scene": scene_id, "position": position, **clock} for scene_id, position in moved.items()],
            )

    def settle(self) -> None:
        """Derive the job's status; when it has come to rest, say so as the last event."""
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
