"""The commands on one scene. `batches` has the commands on several scenes."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from coordinator.commands import asking, deletion, edits, ordering, preconditions, scene_inputs, takes
from coordinator.commands.catalogue import Catalogue, Models
from coordinator.commands.idempotency import KEY_PATH, Answer, Idempotency, run_once
from coordinator.commands.inputs import NewScene, SceneEdit, SceneTarget
from coordinator.commands.new_rows import insert_scene
from coordinator.commands.policy import JobPolicy
from coordinator.commands.scheduling import resume, schedule_takes
from models.db.rows import SceneRow
from models.domain import ids, settings
from models.domain.access import Act, Viewer
from models.domain.errors import NotFound, no_such_job
from models.domain.events import EventType
from models.domain.rules import Problems
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store

_PATH = ["input", "sceneId"]


class Scenes:
    """The commands on a scene. Each raises DomainError or DomainErrors when refused, and then has changed nothing."""

    def __init__(self, store: Store, policy: JobPolicy, catalogue: Catalogue | None = None) -> None:
        """Without a catalogue, every model can do everything."""
        self._store = store
        self._catalogue = catalogue or Catalogue()
        self._policy = policy

    async def add(
        self,
        viewer: Viewer,
        job_id: str,
        new: NewScene,
        position: int | None = None,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> str:
        """Add a scene, by default at the end, and return its id; in a started job it is scheduled."""
        problems = Problems()
        new.check(problems, ["input", "scene"])
        problems.key(key, KEY_PATH)

        async def act(idempotency: Idempotency) -> Answer:
            models = await self._catalogue.read()
            async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
                scene_id = ids.new("scene")
                answer = await idempotency.remember(change, {"sceneId": scene_id})
                await self._insert(change, scene_id, new, position, models)
            return answer

        request = {"jobId": job_id, "scene": new, "position": position}
        return (await run_once(self._store, viewer, "addScene", key, request, act, problems=problems))["sceneId"]

    async def update(self, viewer: Viewer, target: SceneTarget, edit: SceneEdit) -> None:
        """Edit a scene or report on its render; see `edits.apply` for the refusals."""
        edits.check(edit, ["input"])
        models = await self._catalogue.read() if asking.changes_order(edit) else self._catalogue.latest
        async with await self._change(viewer, target, act=edits.act_of(edit)) as change:
            scene = await _scene(change, target)
            await edits.apply(change, scene, edit, ["input"], self._policy.adoption, models)

    async def regenerate(
        self,
        viewer: Viewer,
        target: SceneTarget,
        prompt: str | None = None,
        key: str | None = None,
        asked: SceneEdit | None = None,
    ) -> None:
        """Render a finished scene again, with another prompt, settings and inputs if given; see `takes.regenerate`.

        Of `asked`, only settings and inputs count.
        """
        edit = SceneEdit() if asked is None else asked
        problems = Problems()
        if prompt is not None:
            problems.prompt(prompt, ["input", "prompt"])
            edit = edit | SceneEdit(prompt=prompt)
        asking.check_shape(problems, edit, ["input"])
        problems.key(key, KEY_PATH)

        async def act(idempotency: Idempotency) -> Answer:
            models = await self._catalogue.read()
            async with await self._change(viewer, target) as change:
                await idempotency.remember(change, {})
                scene = await _scene(change, target)
                await takes.regenerate(change, scene, self._policy, _PATH, edit, models)
            return {}

        # The fields that were added later are in it only when they are given: see `inputs.ADDED`.
        request = {"target": target, "prompt": prompt, **(asked or {})}
        await run_once(self._store, viewer, "regenerateScene", key, request, act, problems=problems)

    async def select_take(self, viewer: Viewer, take_id: str, expected_version: int | None = None) -> str:
        """Make an earlier completed take the scene's current one, and return the scene's id; see `takes.select`."""
        path = ["input", "takeId"]
        async with self._store.read() as connection:
            take = await queries.one(queries.takes_by_id, connection, viewer, take_id)
        if take is None:
            raise NotFound("There is no such take.", path, take_id)
        async with self._store.change(take.job_id, viewer, path=path) as change:
            scene = await change.scene(take.scene_id, path)
            preconditions.check_live(scene, path)
            preconditions.check_version(scene, expected_version)
            # Read again: its status may have changed before the job was locked.
            current = (await queries.takes_by_id(await change.connection(), viewer, [take_id]))[take_id]
            await takes.select(change, scene, current, path)
        return take.scene_id

    async def cancel(self, viewer: Viewer, target: SceneTarget) -> None:
        """Cancel an open scene; see `takes.cancel`."""
        async with await self._change(viewer, target) as change:
            scene = await _scene(change, target)
            await takes.cancel(change, scene, _PATH)

    async def delete(self, viewer: Viewer, target: SceneTarget) -> None:
        """Delete a scene, recoverable until `purge_after`; see `deletion.delete_scene`."""
        async with await self._change(viewer, target) as change:
            scene = await _scene(change, target)
            await deletion.delete_scene(change, scene, self._policy.recovery_window, _PATH)

    async def restore(self, viewer: Viewer, target: SceneTarget) -> None:
        """Restore a deleted scene at its former place; see `deletion.restore_scene`."""
        async with await self._change(viewer, target, deleted=True) as change:
            scene = await _scene(change, target, deleted=True)
            await deletion.restore_scene(change, scene, _PATH)

    async def move(self, viewer: Viewer, target: SceneTarget, position: int) -> None:
        """Move a live scene to another position; see `ordering.move`."""
        async with await self._change(viewer, target) as change:
            scene = await _scene(change, target)
            await ordering.move(change, scene, position)

    async def reorder(
        self, viewer: Viewer, job_id: str, scene_ids: Sequence[str], expected_version: int | None = None
    ) -> None:
        """Put all live scenes of a job in another order; see `ordering.reorder`."""
        ordering.check_length(scene_ids)
        async with self._store.change(job_id, viewer, expected_version=expected_version) as change:
            await ordering.reorder(change, scene_ids)

    async def _change(
        self, viewer: Viewer, target: SceneTarget, *, act: Act = Act.CHANGE, deleted: bool = False
    ) -> AbstractAsyncContextManager[Change]:
        """Return the change of the target's job, in which `_scene` finds the target."""
        job_id = await self._job_of(viewer, target)
        missing = (
            partial(preconditions.no_such_scene, target.scene_id, _PATH)
            if target.job_id is None
            else partial(no_such_job, ["input", "jobId"], target.job_id)
        )
        # A deleted scene is read after the lock, not with it: a purge moves deleted scenes under the same lock without
        # raising the version of the job.
        scene_id = None if deleted else target.scene_id
        return self._store.change(job_id, viewer, path=_PATH, act=act, scene_id=scene_id, missing=missing)

    async def _job_of(self, viewer: Viewer, target: SceneTarget) -> str:
        """Return the job of the target, which the viewer may turn out not to see."""
        known = self._store.jobs_of_scenes.get(target.scene_id)
        if known is not None and target.job_id in (None, known):
            return known
        if target.job_id is None:
            found = await queries.job_of_scene_alone(self._store.database, viewer, target.scene_id)
        else:
            async with self._store.read() as connection:
                found = await queries.job_of_scene(connection, viewer, target.scene_id)
                if not await queries.jobs_by_id(connection, viewer, [target.job_id]):
                    raise no_such_job(["input", "jobId"], target.job_id)
        job_id = preconditions.job_of(found, target.scene_id, target.job_id, _PATH)
        self._store.jobs_of_scenes.add(job_id, [target.scene_id])
        return job_id

    async def _insert(self, change: Change, scene_id: str, new: NewScene, position: int | None, models: Models) -> None:
        ordering.check_room(change, ["input", "jobId"])
        place = change.job.total if position is None else position
        ordering.check_position(place, change.job.total)
        asking.check_new(models, change.job, new, ["input", "scene"])
        inputs = settings.stored_inputs(new.inputs)
        if inputs is not None:
            await scene_inputs.check(change, inputs, ["input", "scene", "inputs"])
        change.record(EventType.SCENE_ADDED, scene_id, ["scenes"])
        (await change.arrangement()).add(scene_id, place)
        number = insert_scene(change, scene_id, new, place, self._policy.max_attempts, models)
        change.composition_changed()
        resume(change)
        await schedule_takes(change, [(scene_id, number)])


async def _scene(change: Change, target: SceneTarget, *, deleted: bool = False) -> SceneRow:
    """Return the target scene, after checks of its version, and (unless `deleted`) that it is live."""
    try:
        scene = await change.scene(target.scene_id)
    except NotFound:
        # It was in this job, so it has been purged.
        raise preconditions.no_such_scene(target.scene_id, _PATH) from None
    if not deleted:
        preconditions.check_live(scene, _PATH)
    preconditions.check_version(scene, target.expected_version)
    return scene
