"""The commands on several scenes of a job: one transaction, and one event per scene that changes.

Each scene is a savepoint of the transaction, and is changed by the function of the command on one scene. A dry run does
the same and rolls the transaction back.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from coordinator.commands import asking, deletion, edits, error_json, preconditions, rate_limit, takes
from coordinator.commands.catalogue import Catalogue
from coordinator.commands.idempotency import KEY_PATH, Answer, Idempotency, run_once
from coordinator.commands.inputs import BatchPolicy, SceneBatch, SceneEdit, SceneEdits
from coordinator.commands.policy import JobPolicy
from models.db.rows import SceneRow
from models.domain import lifecycle
from models.domain.access import Act, Viewer
from models.domain.errors import DomainError, DomainErrors, ErrorCode, Invalid, NotFound
from models.domain.rules import SCENES_PER_JOB, Problems
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store

_IDS = ["input", "sceneIds"]
_STATUS = ["input", "status"]
_EDITS = ["input", "scenes"]


class Result(NamedTuple):
    """The outcome of one item: refused or done. `scene` is the row that a dry run would have written."""

    scene_id: str
    refusals: Sequence[DomainError] = ()
    scene: SceneRow | None = None


class Item(NamedTuple):
    """A requested scene, and its path in the input."""

    scene_id: str
    path: list[str]
    job_id: str | None = None
    expected_version: int | None = None
    edit: SceneEdit | None = None
    duplicate: bool = False

    @property
    def id_path(self) -> list[str]:
        """The path of the scene's id in the input."""
        return self.path if self.edit is None else [*self.path, "sceneId"]


Find = Callable[[Change], Awaitable[list[Item]]]
Command = Callable[[Change, SceneRow, Item], Awaitable[object]]


class _RolledBack(Exception):
    """Rolls the transaction back and carries the results out of it."""

    def __init__(self, results: list[Result]) -> None:
        super().__init__("rolled back")
        self.results = results


class Batches:
    """The commands on several scenes. Each raises DomainError or DomainErrors when the whole request is refused."""

    def __init__(self, store: Store, policy: JobPolicy, catalogue: Catalogue | None = None) -> None:
        """Without a catalogue, every model can do everything."""
        self._store = store
        self._catalogue = catalogue or Catalogue()
        self._policy = policy

    async def update(self, viewer: Viewer, batch: SceneEdits) -> tuple[Result, ...]:
        """Edit scenes or report on their renders, each with its own fields; see `edits.apply`."""
        _check_number(len(batch.scenes), _EDITS)
        items = [
            Item(target.scene_id, [*_EDITS, str(index)], target.job_id, target.expected_version, edit)
            for index, (target, edit) in enumerate(batch.scenes)
        ]

        async def find(_change: Change) -> list[Item]:
            return items

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            edit = item.edit or SceneEdit()
            edits.check(edit, item.path)
            await edits.apply(change, scene, edit, item.path, self._policy.adoption, models)

        orders = any(asking.changes_order(edit) for _, edit in batch.scenes)
        models = await self._catalogue.read() if orders else self._catalogue.latest
        scene_ids = [item.scene_id for item in items]
        scenes = SceneBatch(batch.job_id, scene_ids, policy=batch.policy, dry_run=batch.dry_run)
        reports = all(edits.act_of(edit) is Act.REPORT for _, edit in batch.scenes)
        permission = Act.REPORT if reports else Act.CHANGE
        return await self._run(viewer, "updateScenes", scenes, find, act, permission=permission)

    async def regenerate(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Render finished scenes again; see `takes.regenerate`. Each counts towards the quota.

        With ALL_OR_NOTHING raises QuotaExceeded when the quota does not suffice for all, and Invalid (LIMIT_EXCEEDED)
        for more than the burst size.
        """
        rate = self._policy.regenerate

        async def find(change: Change) -> list[Item]:
            items = await _find(change, batch)
            if batch.policy is BatchPolicy.ALL_OR_NOTHING:
                await rate_limit.check(change, rate, len(items), _IDS if batch.scene_ids is not None else _STATUS)
            return items

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await takes.regenerate(change, scene, self._policy, item.path, SceneEdit(), models)

        models = await self._catalogue.read()
        return await self._run(viewer, "regenerateScenes", batch, find, act)

    async def cancel(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Cancel open scenes; see `takes.cancel`."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await takes.cancel(change, scene, item.path)

        return await self._run(viewer, "cancelScenes", batch, lambda change: _find(change, batch), act)

    async def delete(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Delete scenes, recoverable until `purge_after`; see `deletion.delete_scene`."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await deletion.delete_scene(change, scene, self._policy.recovery_window, item.path)

        return await self._run(viewer, "deleteScenes", batch, lambda change: _find(change, batch), act)

    async def restore(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Restore scenes; see `deletion.restore_scene`. A batch by status means deleted scenes of that status."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await deletion.restore_scene(change, scene, item.path)

        async def find(change: Change) -> list[Item]:
            return await _find(change, batch, deleted=True)

        return await self._run(viewer, "restoreScenes", batch, find, act, deleted=True)

    async def _run(
        self,
        viewer: Viewer,
        operation: str,
        batch: SceneBatch,
        find: Find,
        command: Command,
        *,
        deleted: bool = False,
        permission: Act = Act.CHANGE,
    ) -> tuple[Result, ...]:
        """Run the command on each item, once per key; a dry run stores no key."""
        _check_batch(batch)

        async def act(idempotency: Idempotency) -> Answer:
            async with self._store.change(batch.job_id, viewer, act=permission) as change:
                await idempotency.remember(change, {})
                items = _mark_duplicates(await find(change))
                scene_ids = [item.scene_id for item in items]
                jobs = await queries.jobs_of_scenes(await change.connection(), viewer, scene_ids)
                await change.read_scenes([scene_id for scene_id, job_id in jobs.items() if job_id == change.job.id])
                results = [await _attempt(change, item, jobs, command, deleted=deleted) for item in items]
                refused = [result for result in results if result.refusals]
                if refused and (batch.policy is BatchPolicy.ALL_OR_NOTHING or len(refused) == len(results)):
                    raise _RolledBack([_aborted(result, item) for result, item in zip(results, items, strict=True)])
                if batch.dry_run:
                    change.arrange()
                    raise _RolledBack([await _preview(change, result) for result in results])
                return await idempotency.amend(change, {"results": [_dump(result) for result in results]})

        key = None if batch.dry_run else batch.key
        try:
            answer = await run_once(self._store, viewer, operation, key, batch, act)
        except _RolledBack as rollback:
            return tuple(rollback.results)
        return tuple(_load(stored) for stored in answer["results"])


async def _attempt(change: Change, item: Item, jobs: dict[str, str], command: Command, *, deleted: bool) -> Result:
    """Run the command on one scene; a refusal undoes what it did to this scene."""
    try:
        async with change.attempt():
            await command(change, await _scene(change, item, jobs, deleted=deleted), item)
    except DomainError as refusal:
        return Result(item.scene_id, [refusal])
    except DomainErrors as error:
        return Result(item.scene_id, error.refusals)
    return Result(item.scene_id)


async def _scene(change: Change, item: Item, jobs: dict[str, str], *, deleted: bool) -> SceneRow:
    path = item.id_path
    if item.duplicate:
        raise Invalid("The scene is named before in the same request.", path)
    preconditions.job_of(jobs.get(item.scene_id), item.scene_id, change.job.id, path)
    if item.job_id not in (None, change.job.id):
        message = "The scene belongs to another job."
        raise NotFound(message, [*item.path, "jobId"], item.scene_id, ErrorCode.SCENE_NOT_IN_JOB)
    scene = await change.scene(item.scene_id, path)
    if not deleted:
        preconditions.check_live(scene, path)
    preconditions.check_version(scene, item.expected_version, [*item.path, "expectedVersion"])
    return scene


async def _find(change: Change, batch: SceneBatch, *, deleted: bool = False) -> list[Item]:
    """Return the listed scenes, or those in one of the statuses, in play order."""
    if batch.scene_ids is not None:
        return [Item(scene_id, [*_IDS, str(index)]) for index, scene_id in enumerate(batch.scene_ids)]
    statuses = batch.status or ()
    scenes = await (change.deleted_scenes() if deleted else change.live_scenes())
    found = [Item(scene.id, _STATUS) for scene in scenes if scene.status in statuses]
    if len(found) > SCENES_PER_JOB:
        raise _too_many(_STATUS)
    return found


def _mark_duplicates(items: Sequence[Item]) -> list[Item]:
    seen, marked = set[str](), list[Item]()
    for item in items:
        marked.append(item._replace(duplicate=item.scene_id in seen))
        seen.add(item.scene_id)
    return marked


def _aborted(result: Result, item: Item) -> Result:
    if result.refusals:
        return result
    message = "Nothing was done to it because another scene of the batch was refused."
    return Result(item.scene_id, [Invalid(message, item.id_path, ErrorCode.BATCH_ABORTED)])


async def _preview(change: Change, result: Result) -> Result:
    """Add the scene as this transaction would commit it, with the status that its job would have."""
    if result.refusals:
        return result
    scene = await change.scene(result.scene_id)
    status = lifecycle.job_status(left_draft=change.job.left_draft, counts=change.job.counts)
    return result._replace(scene=scene._replace(job_status=status))


def _check_batch(batch: SceneBatch) -> None:
    problems = Problems()
    problems.key(batch.key, KEY_PATH)
    if (batch.scene_ids is None) == (batch.status is None):
        problems.add("Give either sceneIds or status.", _IDS)
    elif batch.status is not None and not batch.status:
        problems.add("Give at least one status.", _STATUS)
    problems.check()
    if batch.scene_ids is not None:
        _check_number(len(batch.scene_ids), _IDS)


def _check_number(number: int, path: Sequence[str]) -> None:
    if number == 0:
        raise Invalid("Give at least one scene.", path)
    if number > SCENES_PER_JOB:
        raise _too_many(path)


def _dump(result: Result) -> dict[str, Any]:
    return {"sceneId": result.scene_id, "refusals": [error_json.dump(refusal) for refusal in result.refusals]}


def _load(stored: dict[str, Any]) -> Result:
    return Result(stored["sceneId"], [error_json.load(refusal) for refusal in stored["refusals"]])


def _too_many(path: Sequence[str]) -> Invalid:
    return Invalid(f"A batch has at most {SCENES_PER_JOB} scenes.", path, ErrorCode.LIMIT_EXCEEDED)
