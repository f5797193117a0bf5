"""The commands on the takes of a scene: add the next one, select an earlier one, cancel the current one."""

from collections.abc import Sequence
from typing import Any

from coordinator.commands import asking, rate_limit, scene_inputs
from coordinator.commands.catalogue import Models
from coordinator.commands.edits import refused_transition
from coordinator.commands.inputs import SceneEdit
from coordinator.commands.jobs import cancel_scene
from coordinator.commands.policy import JobPolicy
from coordinator.commands.scheduling import resume, schedule_takes
from models.db.rows import SceneRow, TakeRow
from models.domain.errors import DomainErrors, ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.lifecycle import OPEN, TRANSITIONS, SceneStatus, TakeReason
from models.writes.change import Change
from models.writes.new_take import next_take


async def regenerate(
    change: Change, scene: SceneRow, policy: JobPolicy, path: Sequence[str], edit: SceneEdit, models: Models
) -> None:
    """Set a finished scene back to pending with a new take; earlier takes stay as they are.

    The prompt, settings and inputs of the edit become those of the scene. Raises InvalidState (NOT_REGENERABLE) for a
    scene that is pending or processing, DomainErrors for what the model cannot do, and QuotaExceeded.
    """
    if scene.status in OPEN:
        raise InvalidState(
            ErrorCode.NOT_REGENERABLE,
            f"A scene that is {scene.status.value} cannot be regenerated before it is finished.",
            path,
            current=scene.status,
            requested=SceneStatus.PENDING,
            allowed=TRANSITIONS[scene.status],
        )
    columns = asking.changed_columns(scene, edit)
    await _check_order(change, models, scene, columns, path)
    await rate_limit.spend(change, policy.regenerate, path)
    await asking.write_inputs(change, scene, columns)
    take = next_take(scene, TakeReason.REGENERATE, asking.after(scene, columns).prompt)
    await change.write_scene(
        scene,
        EventType.SCENE_REGENERATED,
        ["status", "output", "providerId", "failure", "percentage", *columns],
        new_take=take,
        status=SceneStatus.PENDING,
        **columns,
        max_attempts=scene.attempts + policy.max_attempts,
        percentage=None,
        high_water=0.0,
        frame=None,
        failure=None,
        started_at=None,
        finished_at=None,
    )
    change.composition_changed()
    resume(change)
    await schedule_takes(change, [(scene.id, take.number)])


async def _check_order(
    change: Change, models: Models, scene: SceneRow, columns: dict[str, Any], path: Sequence[str]
) -> None:
    """Check what is asked, whether it changes or not.

    Raises DomainErrors, with the path of the scene for a field that a regenerate does not have.
    """
    base, single = list(path[:1]), list(path) == ["input", "sceneId"]
    try:
        asking.check_fits(models, change.job, asking.after(scene, columns), base)
        if columns.get("inputs"):
            await scene_inputs.check(change, columns["inputs"], [*base, "inputs"])
    except DomainErrors as error:
        for refusal in error.refusals:
            if not single or refusal.path == ["input", "durationSeconds"]:
                refusal.path = list(path)
        raise


async def select(change: Change, scene: SceneRow, take: TakeRow, path: Sequence[str]) -> None:
    """Make a completed take of a finished scene its current one, with the take's clip, prompt and times.

    The current take is no change. Raises InvalidState (INVALID_TRANSITION) for a scene that is pending or processing,
    and for a take that is not completed.
    """
    if scene.status in OPEN:
        raise InvalidState(
            ErrorCode.INVALID_TRANSITION,
            f"A scene that is {scene.status.value} shows another take only when it is finished.",
            path,
            current=scene.status,
            allowed=TRANSITIONS[scene.status],
        )
    if take.status is not SceneStatus.COMPLETED:
        raise InvalidState(
            ErrorCode.INVALID_TRANSITION,
            f"Only a completed take can be selected; this one is {take.status.value}.",
            path,
            current=take.status,
            requested=SceneStatus.COMPLETED,
        )
    if take.id == scene.take_id:
        return
    changed = ["output", "providerId", "currentTake"]
    changed += ["status"] * (scene.status is not SceneStatus.COMPLETED) + ["prompt"] * (scene.prompt != take.prompt)
    await change.write_scene(
        scene,
        EventType.SCENE_TAKE_SELECTED,
        changed,
        status=SceneStatus.COMPLETED,
        prompt=take.prompt,
        take_id=take.id,
        take_number=take.number,
        percentage=100.0,
        high_water=100.0,
        failure=None,
        started_at=take.started_at,
        finished_at=take.finished_at,
    )
    change.composition_changed()


async def cancel(change: Change, scene: SceneRow, path: Sequence[str]) -> None:
    """Cancel an open scene and abort its render; a canceled one stays unchanged.

    Raises InvalidState (INVALID_TRANSITION) for one that is completed or failed.
    """
    if scene.status in OPEN:
        await cancel_scene(change, scene)
    elif scene.status is not SceneStatus.CANCELED:
        raise refused_transition(scene, SceneStatus.CANCELED, path)
