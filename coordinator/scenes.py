"""What can be done to a scene."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator import edits
from coordinator.idempotency import Idempotency
from coordinator.jobs import NewScene, cancel_scene, insert_scene
from coordinator.queueing import enqueue
from coordinator.requests import SceneEdit, SceneTarget
from models import ids, queries
from models.access import Act, Viewer
from models.change import Change
from models.errors import ErrorCode, Invalid, NotFound, StateRefused
from models.events import EventType
from models.lifecycle import OPEN, SETTLED_SCENE, TRANSITIONS, JobStatus, SceneStatus, TakeReason
from models.rows import SceneRow
from models.rules import SCENES_A_JOB, Problems
from models.store import Store, stale
from models.tables import SCENE, TAKE

_PATH = ["input", "sceneId"]


class Target(NamedTuple):
    """A live scene inside the change that is to be made to it."""

    change: Change
    scene: SceneRow


class Scenes:
    """The verbs on scenes. Each raises Refusal or Refused and then has changed nothing."""

    def __init__(self, store: Store, max_attempts: int, recovery_window: timedelta) -> None:
        self._store = store
        self._max_attempts = max_attempts
        self._recovery_window = recovery_window

    async def add(
        self,
        viewer: Viewer,
        job_id: str,
        new: NewScene,
        position: int | None = None,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> str:
        """Add a scene, at the end unless a position is given, and answer its id; in a started job it is dispatched."""
        problems = Problems()
        new.check(problems, ["input", "scene"])
        problems.key(key, ["input", "idempotencyKey"])
        problems.check()
        asked = {"jobId": job_id, "scene": asdict(new), "position": position}
        request = Idempotency(self._store, viewer, "addScene", key, asked)

        async def act() -> dict[str, Any]:
            async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
                scene_id = ids.new("scene")
                answer = await request.remember(change, {"sceneId": scene_id})
                await self._insert(change, scene_id, new, position)
            return answer

        return (await request.once(act))["sceneId"]

    async def update(self, viewer: Viewer, target: SceneTarget, edit: SceneEdit) -> None:
        """Edit a scene or report on it; see `edits.apply` for what is refused."""
        edits.check(edit, ["input"])
        async with self._change(viewer, target, act=edits.act_of(edit)) as (change, scene):
            await edits.apply(change, scene, edit, ["input"])

    async def regenerate(
        self, viewer: Viewer, target: SceneTarget, prompt: str | None = None, key: str | None = None
    ) -> None:
        """Put a finished scene back to pending with a new take; earlier takes are kept as they are.

        Raises StateRefused (NOT_REGENERABLE) for a scene that is pending or processing.
        """
        problems = Problems()
        if prompt is not None:
            problems.prompt(prompt, ["input", "prompt"])
        problems.key(key, ["input", "idempotencyKey"])
        problems.check()
        request = Idempotency(self._store, viewer, "regenerateScene", key, {"target": asdict(target), "prompt": prompt})

        async def act() -> dict[str, Any]:
            async with self._change(viewer, target, request) as (change, scene):
                if scene.status not in SETTLED_SCENE:
                    raise StateRefused(
                        ErrorCode.NOT_REGENERABLE,
                        f"A scene that is {scene.status.value} cannot be regenerated before it is finished.",
                        _PATH,
                        current=scene.status,
                        wanted=SceneStatus.PENDING,
                        allowed=TRANSITIONS[scene.status],
                    )
                await self._retake(change, scene, prompt or scene.prompt)
            return {}

        await request.once(act)

    async def cancel(self, viewer: Viewer, target: SceneTarget) -> None:
        """Cancel an open scene and abort its render; a canceled one is left as it is."""
        async with self._change(viewer, target) as (change, scene):
            if scene.status in OPEN:
                await cancel_scene(change, scene)
            elif scene.status is not SceneStatus.CANCELED:
                raise edits.refused_transition(scene, SceneStatus.CANCELED, _PATH)

    async def delete(self, viewer: Viewer, target: SceneTarget) -> None:
        """Delete a scene, recoverable until `purge_after`.

        Raises StateRefused (JOB_PROCESSING) while the job is processing.
        """
        async with self._change(viewer, target) as (change, scene):
            if change.job.status is JobStatus.PROCESSING:
                raise StateRefused(
                    ErrorCode.JOB_PROCESSING,
                    "Scenes cannot be deleted while their job is processing; cancel the job first.",
                    _PATH,
                )
            purge_after = change.now + self._recovery_window
            change.fenced.append(scene.id)
            await change.write_scene(
                scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now, purge_after=purge_after
            )
            await change.shift(scene.position + 1, SCENES_A_JOB * 2, by=-1)
            change.recut()

    async def move(self, viewer: Viewer, target: SceneTarget, position: int) -> None:
        """Move a live scene to another place, 0-based; the scenes in between make room. One event."""
        async with self._change(viewer, target) as (change, scene):
            _check_position(position, change.job.total - 1)
            if position == scene.position:
                return
            moved = await change.write_scene(scene, EventType.SCENES_REORDERED, ["position"], position=position)
            if position < scene.position:
                await change.shift(position, scene.position, by=1)
            else:
                await change.shift(scene.position, position, by=-1)
            # The shift took the moved scene along.
            await change.connection.execute(sa.update(SCENE).where(SCENE.c.id == moved.id).values(position=position))
            change.recut()

    @asynccontextmanager
    async def _change(
        self,
        viewer: Viewer,
        target: SceneTarget,
        request: Idempotency | None = None,
        *,
        act: Act = Act.CHANGE,
    ) -> AsyncGenerator[Target]:
        """The change of one scene, found, live, of the right job and at the expected version."""
        async with self._store.read() as connection:
            job_id = await queries.job_of_scene(connection, viewer, target.scene_id)
            if target.job_id is not None and not await queries.jobs_by_id(connection, viewer, [target.job_id]):
                raise NotFound("There is no such job.", ["input", "jobId"], target.job_id)
        if job_id is None:
            raise NotFound("There is no such scene.", _PATH, target.scene_id)
        if target.job_id is not None and target.job_id != job_id:
            raise NotFound("The scene belongs to another job.", _PATH, target.scene_id, ErrorCode.SCENE_NOT_IN_JOB)
        async with self._store.change(job_id, viewer, path=_PATH, act=act) as change:
            if request is not None:
                await request.remember(change, {})
            scene = await change.scene(target.scene_id)
            if scene.deleted_at is not None:
                raise StateRefused(ErrorCode.ALREADY_DELETED, "The scene is deleted.", _PATH)
            if target.expected_version is not None and target.expected_version != scene.version:
                raise stale(scene.version)
            yield Target(change, scene)

    async def _insert(self, change: Change, scene_id: str, new: NewScene, position: int | None) -> None:
        total = change.job.total
        if total >= SCENES_A_JOB:
            raise Invalid(f"A job has at most {SCENES_A_JOB} scenes.", ["input", "jobId"], ErrorCode.LIMIT_EXCEEDED)
        place = total if position is None else position
        _check_position(place, total)
        change.record(EventType.SCENE_ADDED, scene_id, ["scenes"])
        await change.shift(place, total, by=1)
        number = await insert_scene(change, scene_id, new, place, self._max_attempts)
        _resume(change)
        await enqueue(change, [(scene_id, number)])

    async def _retake(self, change: Change, scene: SceneRow, prompt: str) -> None:
        take_id, number = ids.new("take"), scene.newest_take + 1
        await change.connection.execute(
            sa.insert(TAKE).values(
                id=take_id,
                scene_id=scene.id,
                job_id=scene.job_id,
                number=number,
                reason=TakeReason.REGENERATE,
                prompt=prompt,
                status=SceneStatus.PENDING,
                provider=change.job.provider,
                created_at=change.now,
            )
        )
        changed = ["status", "output", "providerId", "failure", "percentage"]
        await change.write_scene(
            scene,
            EventType.SCENE_REGENERATED,
            [*changed, "prompt"] if prompt != scene.prompt else changed,
            status=SceneStatus.PENDING,
            prompt=prompt,
            take_id=take_id,
            take_number=number,
            newest_take=number,
            max_attempts=scene.attempts + self._max_attempts,
            percentage=None,
            high_water=0.0,
            frame=None,
            failure=None,
            started_at=None,
            finished_at=None,
        )
        _resume(change)
        await enqueue(change, [(scene.id, number)])


def _resume(change: Change) -> None:
    """A job that was canceled before its start has started once something in it is to be rendered."""
    if change.job.begun and change.job.started_at is None:
        change.set_job(started_at=change.now)


def _check_position(position: int, most: int) -> None:
    if not 0 <= position <= most:
        raise Invalid(f"position must be from 0 to {most}.", ["input", "position"])
