"""updateScene: edits of a scene, and reports of external workers on its render."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from coordinator.commands import adoption, asking, asset_outputs, reports, scene_progress
from coordinator.commands.adoption import ON_REQUEST, AdoptionPolicy
from coordinator.commands.catalogue import EVERYTHING, Models
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

_NAMES = {
    "duration_seconds": "durationSeconds",
    "provider_id": "providerId",
    "output_url": "outputUrl",
    "output": "output",
}
_REPORTS = {
    "status",
    "provider_id",
    "percentage",
    "output_url",
    "output_asset_id",
    "failure",
    "take_number",
    "adopt_output",
}
_CONTENT = frozenset(asking.CONTENT)
# How a clip that was uploaded was made is no field of the scene.
_UNSEEN = {"made"}
_EVENTS = {
    SceneStatus.PROCESSING: EventType.SCENE_STARTED,
    SceneStatus.COMPLETED: EventType.SCENE_COMPLETED,
    SceneStatus.FAILED: EventType.SCENE_FAILED,
    SceneStatus.CANCELED: EventType.SCENE_CANCELED,
}
# By file extension, https://www.iana.org/assignments/media-types/#video; only types of videos, which a page may play.
_VIDEO_TYPES = {
    "3gp": "video/3gpp",
    "avi": "video/x-msvideo",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "ogv": "video/ogg",
    "ts": "video/mp2t",
    "webm": "video/webm",
}
_DEFAULT_FAILURE: ReportedFailure = {
    "code": "REPORTED_FAILURE",
    "message": "The worker reported a failure.",
    "retryable": False,
}


def act_of(edit: SceneEdit) -> Act:
    """Return the permission that the edit needs: REPORT if it has only fields of a render."""
    return Act.REPORT if edit.keys() <= _REPORTS else Act.CHANGE


def check(edit: SceneEdit, path: list[str]) -> None:
    """Check the fields that do not depend on the scene. Raises DomainErrors with all problems."""
    problems = Problems()
    if "title" in edit:
        problems.title(edit["title"], [*path, "title"], required=False)
    if "prompt" in edit:
        problems.prompt(edit["prompt"], [*path, "prompt"])
    if "duration_seconds" in edit:
        problems.duration(edit["duration_seconds"], [*path, "durationSeconds"])
    if "metadata" in edit:
        problems.metadata(edit["metadata"], [*path, "metadata"])
    asking.check_shape(problems, edit, path)
    if edit.get("status", SceneStatus.PENDING) is None:
        problems.add("status cannot be null.", [*path, "status"])
    if edit.get("provider_id") is not None:
        problems.text(edit.get("provider_id"), [*path, "providerId"], max_characters=TITLE_CHARACTERS)
    if edit.get("percentage") is not None:
        problems.percentage(edit.get("percentage"), [*path, "percentage"])
    if edit.get("output_url") is not None:
        problems.url(edit.get("output_url"), [*path, "outputUrl"])
    failure = edit.get("failure")
    if failure is not None:
        problems.text(failure["code"], [*path, "failure", "code"], max_characters=CODE_CHARACTERS)
        problems.text(
            failure["message"], [*path, "failure", "message"], max_characters=MESSAGE_CHARACTERS, multiline=True
        )
    problems.check()


async def apply(
    change: Change,
    scene: SceneRow,
    edit: SceneEdit,
    path: list[str],
    policy: AdoptionPolicy = ON_REQUEST,
    models: Models = EVERYTHING,
) -> None:
    """Make the edit: at most one event of the scene, none when nothing differs; a percentage alone is only a tick.

    Raises StaleTake for a report on another take, InvalidState (INVALID_TRANSITION) when the scene cannot change to the
    status, and DomainErrors for a reported field that does not fit the new status, and for what the model cannot do.
    """
    if edit.keys() <= _CONTENT:
        if columns := await _content_columns(change, scene, edit, path, models):
            await change.write_scene(scene, EventType.SCENE_UPDATED, _names_of(columns), **columns)
        return
    status = edit.get("status") or scene.status
    await reports.check_take(change, scene, status, edit, path)
    if not lifecycle.may_become(scene.status, status):
        raise refused_transition(scene, status, [*path, "status"])
    asset = await asset_outputs.take_columns(change, scene, status, edit, path)
    _check_report(scene, status, edit, path, policy)
    columns = await _content_columns(change, scene, edit, path, models)
    take = _take_columns(scene, edit) | asset
    changed = _names_of((*columns, *take))
    adopts = adoption.is_wanted(scene, status, edit, policy)
    if adopts:
        # The scene is completed when the clip is here.
        status = SceneStatus.PROCESSING
        if not adoption.is_running(scene):
            columns |= await adoption.begin(change, scene)
            changed.append("percentage")
    if status is not scene.status:
        if not change.job.left_draft:
            await start_job(change)
            # Starting the job has set the queue columns of this scene.
            scene = await change.scene(scene.id)
        if not adopts:
            # The report supersedes a render of this take here.
            change.fenced.append(scene.id)
        moved, moved_take = _transition_columns(change, asking.after(scene, columns), status, edit, models)
        changed = ["status", *changed]
        scene = await change.write_scene(scene, _EVENTS[status], changed, take=take | moved_take, **moved | columns)
    elif changed:
        scene = await change.write_scene(scene, EventType.SCENE_UPDATED, changed, take=take, **columns)
    await _note_report(change, scene, edit)


async def _content_columns(
    change: Change, scene: SceneRow, edit: SceneEdit, path: list[str], models: Models
) -> dict[str, Any]:
    """Return the columns of the owner's fields that change, and write what the inputs of the scene name."""
    columns = asking.changed_columns(scene, edit)
    await asking.check_edit(change, models, scene, columns, path)
    await asking.write_inputs(change, scene, columns)
    return columns


def _names_of(columns: Iterable[str]) -> list[str]:
    """Return the names that an event has for changed columns."""
    return [_NAMES.get(name, name) for name in columns if name not in _UNSEEN]


async def _note_report(change: Change, scene: SceneRow, edit: SceneEdit) -> None:
    """Write the percentage of a running render, and the instant of a report."""
    reported_at = change.now if reports.counts(change, scene, edit) else None
    runs = scene.status is SceneStatus.PROCESSING and not adoption.is_running(scene)
    if edit.get("percentage") is not None and runs:
        await _advance(change, scene, edit, reported_at)
    elif reported_at is not None:
        change.set_scene(scene.id, reported_at=reported_at)
        # Without an event if the report says what is known already.
        change.keep = True


async def _advance(change: Change, scene: SceneRow, edit: SceneEdit, reported_at: datetime | None) -> None:
    connection, percentage = await change.connection(), edit.get("percentage")
    await scene_progress.advance(
        connection, scene.id, scene.take_number, run=None, percentage=percentage, reported_at=reported_at
    )
    change.forget_scene(scene.id)
    change.ticks.append(Tick(scene.job_id, scene.id))


def refused_transition(scene: SceneRow, status: SceneStatus, path: Sequence[str]) -> InvalidState:
    """Return the refusal of a status, with the current and the accepted ones."""
    allowed = lifecycle.TRANSITIONS[scene.status]
    choice = " or ".join(each.value for each in allowed) if allowed else "nothing but a regenerate"
    return InvalidState(
        ErrorCode.INVALID_TRANSITION,
        f"A scene that is {scene.status.value} cannot become {status.value}; it accepts {choice}.",
        path,
        current=scene.status,
        requested=status,
        allowed=allowed,
    )


def _check_report(
    scene: SceneRow, status: SceneStatus, edit: SceneEdit, path: list[str], policy: AdoptionPolicy
) -> None:
    problems = Problems()
    finished = scene.status in lifecycle.SETTLED_SCENE
    for name in ("provider_id", "output_url"):
        if finished and name in edit and _reported(scene, name) != edit.get(name):
            problems.add("The take is finished; regenerate the scene to make another.", [*path, _NAMES[name]])
    if edit.get("output_url") and status not in (SceneStatus.PROCESSING, SceneStatus.COMPLETED):
        problems.add("outputUrl goes with the status PROCESSING or COMPLETED.", [*path, "outputUrl"])
    percentage = edit.get("percentage")
    if percentage is not None and not finished and not _fits(percentage, status):
        problems.add("percentage goes with the status PROCESSING, or 100 with COMPLETED.", [*path, "percentage"])
    if edit.get("failure") is not None and status is not SceneStatus.FAILED:
        problems.add("failure goes with the status FAILED.", [*path, "failure"])
    adoption.check(problems, scene, status, edit, policy, path)
    problems.check()


def _fits(percentage: float, status: SceneStatus) -> bool:
    return status is SceneStatus.PROCESSING or (status is SceneStatus.COMPLETED and percentage == 100)


def _reported(scene: SceneRow, name: str) -> str | None:
    return scene.provider_id if name == "provider_id" else adoption.reported_url(scene)


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
    extension = urlsplit(url).path.rpartition("/")[2].rpartition(".")[2].lower()
    return {"url": url, "content_type": _VIDEO_TYPES.get(extension, "video/mp4")}


def _transition_columns(
    change: Change, scene: SceneRow, status: SceneStatus, edit: SceneEdit, models: Models
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of the scene and of its take that a change to this status writes."""
    if status is SceneStatus.CANCELED:
        return {"status": status} | closed(change), {"status": status, "finished_at": change.now}
    columns: dict[str, Any] = {"status": status, "failure": None, "started_at": scene.started_at or change.now}
    take: dict[str, Any] = {"status": status}
    if scene.take_started_at is None:
        columns["attempts"] = scene.attempts + 1
        take |= {"started_at": change.now, "prompt": scene.prompt, **asking.take_columns(models, change.job, scene)}
    if status is SceneStatus.PROCESSING:
        return columns | {"queued_at": None, "next_attempt_at": None}, take
    columns |= closed(change)
    take["finished_at"] = change.now
    if status is SceneStatus.COMPLETED:
        columns["percentage"] = columns["high_water"] = 100.0
    else:
        failure = edit.get("failure") or _DEFAULT_FAILURE
        columns["failure"] = take["failure"] = failure_json(**failure, at=change.now)
    return columns, take
