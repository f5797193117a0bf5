"""updateScene: editing a scene, and reporting on it for those whose workers are not ours."""

import mimetypes
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from coordinator.commands import scene_progress
from coordinator.commands.inputs import ReportedFailure, SceneEdit
from coordinator.commands.jobs import closed, start_job
from models.db.rows import SceneRow
from models.domain import lifecycle
from models.domain.access import Act
from models.domain.errors import ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.failures import failure_json
from models.domain.lifecycle import SceneStatus
from models.domain.rules import CODE_CHARACTERS, MESSAGE_CHARACTERS, TITLE_CHARACTERS, Problems
from models.writes.change import Change, Tick

_CONTENT = ("title", "prompt", "duration_seconds", "metadata")
_NAMES = {
    "duration_seconds": "durationSeconds",
    "provider_id": "providerId",
    "output_url": "outputUrl",
    "output": "output",
}
_REPORTS = {"status", "provider_id", "percentage", "output_url", "failure"}
_EVENTS = {
    SceneStatus.PROCESSING: EventType.SCENE_STARTED,
    SceneStatus.COMPLETED: EventType.SCENE_COMPLETED,
    SceneStatus.FAILED: EventType.SCENE_FAILED,
    SceneStatus.CANCELED: EventType.SCENE_CANCELED,
}
_DEFAULT_FAILURE: ReportedFailure = {
    "code": "REPORTED_FAILURE",
    "message": "The worker reported a failure.",
    "retryable": False,
}


def act_of(edit: SceneEdit) -> Act:
    """What one must be allowed to do for this edit: a report tells how the render goes, and nothing else."""
    return Act.REPORT if edit.keys() <= _REPORTS else Act.CHANGE


def check(edit: SceneEdit, path: list[str]) -> None:
    """Raise DomainErrors with everything that is wrong with the fields by themselves."""
    problems = Problems()
    if "title" in edit:
        problems.title(edit["title"], [*path, "title"], needed=False)
    if "prompt" in edit:
        problems.prompt(edit["prompt"], [*path, "prompt"])
    if "duration_seconds" in edit:
        problems.duration(edit["duration_seconds"], [*path, "durationSeconds"])
    if "metadata" in edit:
        problems.metadata(edit["metadata"], [*path, "metadata"])
    if edit.get("status", SceneStatus.PENDING) is None:
        problems.add("status cannot be null.", [*path, "status"])
    if edit.get("provider_id") is not None:
        problems.text(edit.get("provider_id"), [*path, "providerId"], most=TITLE_CHARACTERS)
    if edit.get("percentage") is not None:
        problems.percentage(edit.get("percentage"), [*path, "percentage"])
    if edit.get("output_url") is not None:
        problems.url(edit.get("output_url"), [*path, "outputUrl"])
    failure = edit.get("failure")
    if failure is not None:
        problems.text(failure["code"], [*path, "failure", "code"], most=CODE_CHARACTERS)
        problems.text(failure["message"], [*path, "failure", "message"], most=MESSAGE_CHARACTERS, lines=True)
    problems.check()


async def apply(change: Change, scene: SceneRow, edit: SceneEdit, path: list[str]) -> None:
    """Make the edit: at most one event of the scene, none when nothing differs; a percentage alone is only a tick.

    Raises InvalidState (INVALID_TRANSITION) when the status cannot be reached from where the scene is, and DomainErrors
    for a reporting field that does not go with the status the scene would have.
    """
    wanted = edit.get("status") or scene.status
    if not lifecycle.may_become(scene.status, wanted):
        raise refused_transition(scene, wanted, [*path, "status"])
    _check_report(scene, wanted, edit, path)
    given: dict[str, Any] = {name: value for name, value in edit.items() if name in _CONTENT}
    columns = {name: value for name, value in given.items() if getattr(scene, name) != value}
    take = _take_columns(scene, edit)
    changed = [_NAMES.get(name, name) for name in (*columns, *take)]
    if wanted is not scene.status:
        if not change.job.left_draft:
            await start_job(change)
            # Starting the job has queued this scene among the others.
            scene = await change.scene(scene.id)
        # Whoever renders this take here has been overtaken by the report.
        change.fenced.append(scene.id)
        moved, moved_take = _moved(change, scene, wanted, edit)
        changed = ["status", *changed]
        scene = await change.write_scene(scene, _EVENTS[wanted], changed, take=take | moved_take, **columns, **moved)
    elif changed:
        scene = await change.write_scene(scene, EventType.SCENE_UPDATED, changed, take=take, **columns)
    if edit.get("percentage") is not None and scene.status is SceneStatus.PROCESSING:
        await _advance(change, scene, edit)


async def _advance(change: Change, scene: SceneRow, edit: SceneEdit) -> None:
    await scene_progress.advance(
        change.connection, scene.id, scene.take_number, scene.run, percentage=edit.get("percentage")
    )
    change.ticks.append(Tick(scene.job_id, scene.id))


def refused_transition(scene: SceneRow, wanted: SceneStatus, path: Sequence[str]) -> InvalidState:
    """The refusal that says where the scene is and what would be accepted."""
    allowed = lifecycle.TRANSITIONS[scene.status]
    choice = " or ".join(status.value for status in allowed) if allowed else "nothing but a regenerate"
    return InvalidState(
        ErrorCode.INVALID_TRANSITION,
        f"A scene that is {scene.status.value} cannot become {wanted.value}; it accepts {choice}.",
        path,
        current=scene.status,
        wanted=wanted,
        allowed=allowed,
    )


def _check_report(scene: SceneRow, wanted: SceneStatus, edit: SceneEdit, path: list[str]) -> None:
    problems = Problems()
    finished = scene.status in lifecycle.SETTLED_SCENE
    for name in ("provider_id", "output_url"):
        if finished and name in edit and _reported(scene, name) != edit.get(name):
            problems.add("The take is finished; regenerate the scene to make another.", [*path, _NAMES[name]])
    if edit.get("output_url") and wanted not in (SceneStatus.PROCESSING, SceneStatus.COMPLETED):
        problems.add("outputUrl goes with the status PROCESSING or COMPLETED.", [*path, "outputUrl"])
    percentage = edit.get("percentage")
    if percentage is not None and not finished and not _fits(percentage, wanted):
        problems.add("percentage goes with the status PROCESSING, or 100 with COMPLETED.", [*path, "percentage"])
    if edit.get("failure") is not None and wanted is not SceneStatus.FAILED:
        problems.add("failure goes with the status FAILED.", [*path, "failure"])
    problems.check()


def _fits(percentage: float, wanted: SceneStatus) -> bool:
    return wanted is SceneStatus.PROCESSING or (wanted is SceneStatus.COMPLETED and percentage == 100)


def _reported(scene: SceneRow, name: str) -> str | None:
    if name == "provider_id":
        return scene.provider_id
    return scene.output.get("url") if scene.output else None


def _take_columns(scene: SceneRow, edit: SceneEdit) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if "provider_id" in edit and edit["provider_id"] != scene.provider_id:
        columns["provider_id"] = edit["provider_id"]
    if "output_url" in edit and edit["output_url"] != _reported(scene, "output_url"):
        columns["output"] = _linked(edit["output_url"])
    return columns


def _linked(url: str | None) -> dict[str, Any] | None:
    if url is None:
        return None
    content_type, _ = mimetypes.guess_type(urlsplit(url).path)
    return {"url": url, "content_type": content_type or "video/mp4"}


def _moved(
    change: Change, scene: SceneRow, wanted: SceneStatus, edit: SceneEdit
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of scene and take that a change of status brings."""
    if wanted is SceneStatus.CANCELED:
        return {"status": wanted} | closed(change), {"status": wanted, "finished_at": change.now}
    columns: dict[str, Any] = {"status": wanted, "failure": None, "started_at": scene.started_at or change.now}
    take: dict[str, Any] = {"status": wanted}
    if scene.take_started_at is None:
        columns["attempts"] = scene.attempts + 1
        take |= {"started_at": change.now, "prompt": edit.get("prompt") or scene.prompt}
    if wanted is SceneStatus.PROCESSING:
        return columns | {"queued_at": None, "next_attempt_at": None}, take
    columns |= closed(change)
    take["finished_at"] = change.now
    if wanted is SceneStatus.COMPLETED:
        columns["percentage"] = columns["high_water"] = 100.0
    else:
        failure = edit.get("failure") or _DEFAULT_FAILURE
        columns["failure"] = take["failure"] = failure_json(**failure, at=change.now)
    return columns, take
