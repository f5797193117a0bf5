"""The same done to many scenes of a job at once: one transaction, one event for each scene that changes.

Every scene is an attempt of its own within the transaction, made by the function that the single verb calls. A dry run
is the same, only that it is taken back in the end.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from coordinator.commands import deletion, edits, error_json, preconditions, rate_limit, takes
from coordinator.commands.idempotency import KEY_PATH, Answer, Idempotency, run_once
from coordinator.commands.inputs import BatchPolicy, SceneBatch, SceneEdit, SceneEdits
from coordinator.commands.policy import JobPolicy
from models.db.rows import SceneRow
from models.domain import lifecycle
from models.domain.access import Act, Viewer
from models.domain.errors import DomainError, DomainErrors, ErrorCode, Invalid, NotFound
from models.domain.rules import SCENES_A_JOB, Problems
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store

_IDS = ["input", "sceneIds"]
_STATUS = ["input", "status"]
_EDITS = ["input", "scenes"]


class Result(NamedTuple):
    """What became of one item: refused, or done. `scene` is how it would be after a dry run, None otherwise."""

    scene_id: str
    refusals: Sequence[DomainError] = ()
    scene: SceneRow | None = None


class Item(NamedTuple):
    """A scene that was asked for, and where in the input."""

    scene_id: str
    path: list[str]
    job_id: str | None = None
    expected_version: int | None = None
    edit: SceneEdit | None = None
    twice: bool = False

    @property
    def named_at(self) -> list[str]:
        """Where the input names the scene."""
        return self.path if self.edit is None else [*self.path, "sceneId"]


Find = Callable[[Change], Awaitable[list[Item]]]
Verb = Callable[[Change, SceneRow, Item], Awaitable[object]]


class _TakenBack(Exception):
    """Ends a transaction that shall leave nothing behind."""

    def __init__(self, results: list[Result]) -> None:
        super().__init__("taken back")
        self.results = results


class Batches:
    """The verbs on many scenes. Each raises DomainError or DomainErrors when the request as a whole cannot be done."""

    def __init__(self, store: Store, policy: JobPolicy) -> None:
        self._store = store
        self._terms = policy

    async def update(self, viewer: Viewer, batch: SceneEdits) -> tuple[Result, ...]:
        """Edit scenes or report on them, each with its own fields; see `edits.apply`."""
        _check_number(len(batch.scenes), _EDITS)
        asked = [
            Item(target.scene_id, [*_EDITS, str(index)], target.job_id, target.expected_version, edit)
            for index, (target, edit) in enumerate(batch.scenes)
        ]

        async def find(_change: Change) -> list[Item]:
            return asked

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            edit = item.edit or SceneEdit()
            edits.check(edit, item.path)
            await edits.apply(change, scene, edit, item.path)

        named = [item.scene_id for item in asked]
        whole = SceneBatch(batch.job_id, named, policy=batch.policy, dry_run=batch.dry_run)
        reports = all(edits.act_of(edit) is Act.REPORT for _, edit in batch.scenes)
        needs = Act.REPORT if reports else Act.CHANGE
        return await self._do(viewer, "updateScenes", whole, find, act, needs=needs)

    async def regenerate(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Render finished scenes anew; see `takes.regenerate`. Each counts.

        With ALL_OR_NOTHING raises QuotaExceeded when there is not enough left for all, and Invalid when there never is.
        """
        rate = self._terms.regenerate

        async def find(change: Change) -> list[Item]:
            items = await _find(change, batch)
            if batch.policy is BatchPolicy.ALL_OR_NOTHING:
                await rate_limit.check(change, rate, len(items), _IDS if batch.scene_ids is not None else _STATUS)
            return items

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await takes.regenerate(change, scene, self._terms, item.path, scene.prompt)

        return await self._do(viewer, "regenerateScenes", batch, find, act)

    async def cancel(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Cancel open scenes; see `takes.cancel`."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await takes.cancel(change, scene, item.path)

        return await self._do(viewer, "cancelScenes", batch, lambda change: _find(change, batch), act)

    async def delete(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Delete scenes, recoverable until `purge_after`; see `deletion.delete_scene`."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await deletion.delete_scene(change, scene, self._terms.recovery_window, item.path)

        return await self._do(viewer, "deleteScenes", batch, lambda change: _find(change, batch), act)

    async def restore(self, viewer: Viewer, batch: SceneBatch) -> tuple[Result, ...]:
        """Put deleted scenes back where they were; see `deletion.restore_scene`. A status is that of deleted ones."""

        async def act(change: Change, scene: SceneRow, item: Item) -> None:
            await deletion.restore_scene(change, scene, item.path)

        async def find(change: Change) -> list[Item]:
            return await _find(change, batch, deleted=True)

        return await self._do(viewer, "restoreScenes", batch, find, act, deleted=True)

    async def _do(
        self,
        viewer: Viewer,
        operation: str,
        batch: SceneBatch,
        find: Find,
        verb: Verb,
        *,
        deleted: bool = False,
        needs: Act = Act.CHANGE,
    ) -> tuple[Result, ...]:
        """Once for each key, and never for a dry run, which remembers nothing."""
        _check_batch(batch)

        async def act(idempotency: Idempotency) -> Answer:
            async with self._store.change(batch.job_id, viewer, act=needs) as change:
                await idempotency.remember(change, {})
                items = _twice(await find(change))
                jobs = await queries.jobs_of_scenes(change.connection, viewer, [item.scene_id for item in items])
                results = [await _attempt(change, item, jobs, verb, deleted=deleted) for item in items]
                refused = [result for result in results if result.refusals]
                if refused and (batch.policy is BatchPolicy.ALL_OR_NOTHING or len(refused) == len(results)):
                    raise _TakenBack([_aborted(result, item) for result, item in zip(results, items, strict=True)])
                if batch.dry_run:
                    await change.arrange()
                    raise _TakenBack([await _foreseen(change, result) for result in results])
                return await idempotency.amend(change, {"results": [_dump(result) for result in results]})

        key = None if batch.dry_run else batch.key
        try:
            answer = await run_once(self._store, viewer, operation, key, asdict(batch), act)
        except _TakenBack as back:
            return tuple(back.results)
        return tuple(_load(told) for told in answer["results"])


async def _attempt(change: Change, item: Item, jobs: dict[str, str], verb: Verb, *, deleted: bool) -> Result:
    """Do it to one scene; a refusal leaves no trace of it and says why."""
    try:
        async with change.attempt():
            await verb(change, await _scene(change, item, jobs, deleted=deleted), item)
    except DomainError as refusal:
        return Result(item.scene_id, [refusal])
    except DomainErrors as refused:
        return Result(item.scene_id, refused.refusals)
    return Result(item.scene_id)


async def _scene(change: Change, item: Item, jobs: dict[str, str], *, deleted: bool) -> SceneRow:
    path = item.named_at
    if item.twice:
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
    """The scenes named, or those in one of the statuses, in play order."""
    if batch.scene_ids is not None:
        return [Item(scene_id, [*_IDS, str(index)]) for index, scene_id in enumerate(batch.scene_ids)]
    statuses = batch.status or ()
    scenes = await (change.deleted_scenes() if deleted else change.live_scenes())
    found = [Item(scene.id, _STATUS) for scene in scenes if scene.status in statuses]
    if len(found) > SCENES_A_JOB:
        raise Invalid(_TOO_MANY, _STATUS, ErrorCode.LIMIT_EXCEEDED)
    return found


def _twice(items: Sequence[Item]) -> list[Item]:
    """The same, those that repeat an earlier one marked."""
    seen = set[str]()
    return [item._replace(twice=item.scene_id in seen or bool(seen.add(item.scene_id))) for item in items]


def _aborted(result: Result, item: Item) -> Result:
    if result.refusals:
        return result
    message = "Nothing was done to it because another scene of the batch was refused."
    return Result(item.scene_id, [Invalid(message, item.named_at, ErrorCode.BATCH_ABORTED)])


async def _foreseen(change: Change, result: Result) -> Result:
    """With the scene as it is inside the transaction, and the status that its job would have."""
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
    if number > SCENES_A_JOB:
        raise Invalid(_TOO_MANY, path, ErrorCode.LIMIT_EXCEEDED)


def _dump(result: Result) -> dict[str, Any]:
    return {"sceneId": result.scene_id, "refusals": [error_json.dump(refusal) for refusal in result.refusals]}


def _load(told: dict[str, Any]) -> Result:
    return Result(told["sceneId"], [error_json.load(refusal) for refusal in told["refusals"]])


_TOO_MANY = f"A batch has at most {SCENES_A_JOB} scenes."
