"""A change of a job: collected in the block of `store.change`, and committed at its end."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from models.db.prepared import Call, Prepared
from models.db.rows import COUNTERS, SCENE_FIELDS_OF_TAKE, EventRow, JobRow, SceneRow
from models.db.tables import EVENT, JOB, SCENE, TAKE
from models.db.transactions import Transaction
from models.domain.access import SYSTEM, Viewer
from models.domain.arrangement import Arrangement
from models.domain.errors import DomainError, DomainErrors, ErrorCode, NotFound
from models.domain.events import EventType
from models.domain.folding import folded_title
from models.domain.lifecycle import SETTLED_JOB, SceneStatus, job_status
from models.domain.trace import TraceContext
from models.writes.collected import Collected
from models.writes.differences import counted_as, replaced, waits_for_retry
from models.writes.locking import SCENE_OF_JOB
from models.writes.new_take import NewTake
from models.writes.scene_statements import AMONG, DELETED, LIVE, PENDING_TAKES, PLACES
from models.writes.take_steps import State, TakeStep, step
from models.writes.work import Assembly, Tick, Ticket, Work

__all__ = ["Assembly", "Change", "Tick", "Ticket", "Work"]


class Change(Collected):
    """The changes that one transaction makes to one job.

    Everything is collected: `job` and the scenes are updated in memory, and written at the end, or before a statement
    that has to see it. A scene is read once. Each recorded event takes the next version of the job.
    """

    def __init__(self, transaction: Transaction, stored: JobRow, before: JobRow, viewer: Viewer, now: datetime) -> None:
        """Take the row of the job as it is stored in the transaction, and as it was before."""
        super().__init__(transaction)
        self.job = before
        self.viewer = viewer
        self.now = now
        self.events: list[EventRow] = []
        self.tickets: list[Ticket] = []
        self.assembly: Assembly | None = None
        self.fenced: list[str] = []
        self.ticks: list[Tick] = []
        self.steps: list[TakeStep] = []
        # Whether to commit even without an event: the answer to an idempotency key was stored.
        self.keep = False
        self.before = before
        self.composition_is_changed = False
        # Whether the change lets takes wait for a worker, one that was claimed before among them, and claims one.
        self.scheduled = False
        self.returned = False
        self.claimed = False
        # The number of takes of the job's owner that wait for a worker; None until it is counted.
        self.waiting: int | None = None
        self.new_scenes: list[tuple[str, int]] = []
        self._stored = stored
        self._scenes: dict[str, SceneRow] = {}
        self._arrangement: Arrangement | None = None

    @property
    def is_new(self) -> bool:
        """Whether the change creates its job."""
        return self.before.version == 0

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
        """A part of the change: a refusal in this block undoes what the block wrote and collected."""
        job, waiting, scheduled = self.job, self.waiting, self.scheduled
        composition_is_changed = self.composition_is_changed
        arrangement = self._arrangement and self._arrangement.copy()
        scenes = dict(self._scenes)
        collected: list[list[Any]] = [
            *(self.events, self.tickets, self.fenced, self.ticks, self.steps, self.new_scenes)
        ]
        lengths = [len(each) for each in collected]
        self.begin_attempt()
        try:
            yield
        except (DomainError, DomainErrors):
            await self.undo_attempt()
            self.job, self.waiting, self.scheduled = job, waiting, scheduled
            self.composition_is_changed = composition_is_changed
            self._arrangement, self._scenes = arrangement, scenes
            for each, length in zip(collected, lengths, strict=True):
                del each[length:]
            raise
        await self.keep_attempt()

    def known_scene(self, scene: SceneRow) -> None:
        """Note a row as this transaction has read it."""
        self._scenes[scene.id] = scene

    def forget_scene(self, scene_id: str) -> None:
        """Note that a row was written by a statement whose result is not known here."""
        self._scenes.pop(scene_id, None)

    def committed_scenes(self) -> Mapping[str, SceneRow]:
        """Return the known scenes with the columns of the job as it is written at the end."""
        job, before = self.job, self.before
        # By identity: in JSON, true differs from 1.
        if job.settings is before.settings and (job.status, job.deleted_at) == (before.status, before.deleted_at):
            return self._scenes
        return {
            scene_id: scene._replace(job_status=job.status, job_settings=job.settings, job_deleted_at=job.deleted_at)
            for scene_id, scene in self._scenes.items()
        }

    async def scene(self, scene_id: str, path: Sequence[str] = ("input", "sceneId")) -> SceneRow:
        """Return a scene of this job. Raises NotFound (SCENE_NOT_IN_JOB) for any other id."""
        known = self._scenes.get(scene_id)
        return await self._read_scene(scene_id, path) if known is None else known

    async def _read_scene(self, scene_id: str, path: Sequence[str]) -> SceneRow:
        found = await self.read(Call(SCENE_OF_JOB, [{"scene_id": scene_id, "job_id": self.job.id}]))
        if not found:
            raise NotFound("The job has no such scene.", path, scene_id, ErrorCode.SCENE_NOT_IN_JOB)
        scene = SceneRow._make(found[0])
        self.known_scene(scene)
        return scene

    async def deleted_scenes(self) -> list[SceneRow]:
        """Return the deleted scenes in their former order."""
        return await self._read_scenes(DELETED)

    async def live_scenes(self) -> list[SceneRow]:
        """Return the scenes that are not deleted, in play order."""
        return await self._read_scenes(LIVE)

    async def _read_scenes(self, statement: Prepared) -> list[SceneRow]:
        found = [SceneRow._make(row) for row in await self.read(Call(statement, [{"job_id": self.job.id}]))]
        self._scenes |= {scene.id: scene for scene in found}
        return found

    async def read_scenes(self, scene_ids: Sequence[str]) -> None:
        """Read scenes of the job at once, so that `scene` knows them."""
        unknown = set(scene_ids).difference(self._scenes)
        if unknown:
            for row in await self.read(Call(AMONG, [{"job_id": self.job.id, "scene_ids": list(unknown)}])):
                self.known_scene(SceneRow._make(row))

    async def pending_takes(self) -> list[tuple[str, int]]:
        """Return the live scenes that are pending, in play order, each with the number of its take."""
        if self.is_new:
            return list(self.new_scenes)
        found = await self.read(Call(PENDING_TAKES, [{"job_id": self.job.id}]))
        return [(scene_id, take_number) for scene_id, take_number in found]

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
            self._insert_take(before.id, new_take)
            values |= new_take.scene_columns
        self.pending.update(SCENE, before.id, values)
        if take:
            self.write_take(values.get("take_id", before.take_id), take)
        after = await self._row_after(before, values, take or {}, is_new_take=new_take is not None)
        self.known_scene(after)
        self._recount(before, after)
        if (found := step(before, after, take or {}, self.now)) is not None:
            self.steps.append(found)
        return after

    def trace_step(self, scene_id: str, context: TraceContext | None) -> None:
        """Note the span that ends with the step of the current take of a scene."""
        for index, each in enumerate(self.steps):
            if each.scene_id == scene_id and each.state is not State.QUEUED:
                self.steps[index] = each._replace(trace=context)

    def write_take(self, take_id: str, values: dict[str, Any]) -> None:
        """Write columns of a take."""
        self.pending.update(TAKE, take_id, values)

    def set_scene(self, scene_id: str, **values: Any) -> None:
        """Write columns of a scene as part of the event recorded last."""
        self.pending.update(SCENE, scene_id, values)
        known = self._scenes.get(scene_id)
        if known is not None:
            self.known_scene(known._replace(**values))

    def insert_scene(self, scene: dict[str, Any], take: NewTake) -> None:
        """Write a new live scene and its first take."""
        self.pending.insert(SCENE, scene | take.scene_columns)
        self._insert_take(scene["id"], take)
        self.new_scenes.append((scene["id"], take.number))
        self._count(SceneStatus(scene["status"]), 1)

    async def _row_after(
        self, before: SceneRow, values: dict[str, Any], take: dict[str, Any], *, is_new_take: bool
    ) -> SceneRow:
        if is_new_take:
            before = before._replace(**dict.fromkeys(SCENE_FIELDS_OF_TAKE))
        elif values.get("take_id", before.take_id) != before.take_id:
            # An earlier take becomes the current one; its columns are not known here.
            return await self._read_scene(before.id, ())
        written = {field: take[column] for field, column in SCENE_FIELDS_OF_TAKE.items() if column in take}
        return before._replace(**values, **written)

    def _insert_take(self, scene_id: str, take: NewTake) -> None:
        self.pending.insert(TAKE, take.columns(scene_id, self.job, self.now))

    async def arrangement(self) -> Arrangement:
        """Return the play order, to be changed; `arrange` writes the moved positions, at the end at the latest."""
        if self._arrangement is None:
            found = await self.read(Call(PLACES, [{"job_id": self.job.id}]))
            self._arrangement = Arrangement(
                (scene_id, place, deleted is not None) for scene_id, place, deleted in found
            )
        return self._arrangement

    def arrange(self) -> None:
        """Write the positions of moved scenes, as part of the event recorded last."""
        moved = self._arrangement.moved() if self._arrangement is not None else {}
        for scene_id, position in moved.items():
            self.set_scene(scene_id, position=position, version=self.job.version, updated_at=self.now)

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

    async def write_job(self) -> None:
        """Write the columns of the job that changed, and the events."""
        # JSON that was set differs, although Python takes true for 1.
        changed: dict[str, Any] = {
            name: value
            for name, value, stored in replaced(self.job, self._stored)
            if value != stored or isinstance(value, dict)
        }
        if changed:
            self.pending.update(JOB, self.job.id, changed)
        if "title" in changed:
            # After the title: on Postgres, a statement that changes the title sets its folding to null.
            await self.flush()
            self.pending.update(JOB, self.job.id, {"title_folded": folded_title(self.job.title)})
        for event in self.events:
            self.pending.insert(EVENT, event._asdict())

    def _recount(self, before: SceneRow, after: SceneRow) -> None:
        if counted_as(before) == counted_as(after):
            return
        if before.deleted_at is None:
            self._count(before.status, -1, retrying=waits_for_retry(before))
        if after.deleted_at is None:
            self._count(after.status, 1, retrying=waits_for_retry(after))

    def _count(self, status: SceneStatus, by: int, *, retrying: bool = False) -> None:
        name = COUNTERS[status]
        self.set_job(**{name: getattr(self.job, name) + by})
        if retrying:
            self.set_job(retrying=self.job.retrying + by)
