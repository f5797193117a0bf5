"""Which take a report of an external worker is about, and what counts as a report."""

from collections.abc import Sequence

import sqlalchemy as sa

from coordinator.commands.inputs import SceneEdit
from models.db.rows import SceneRow
from models.db.tables import TAKE
from models.domain import lifecycle
from models.domain.access import EXTERNAL, LEASED
from models.domain.errors import Forbidden, StaleTake
from models.domain.lifecycle import SceneStatus
from models.writes.change import Change

# Each says that a worker is at work on the take.
_SIGNS_OF_WORK = ("status", "percentage", "provider_id", "output_url")
_REPORTED = (*_SIGNS_OF_WORK, "failure", "adopt_output", "output_asset_id")


def counts(change: Change, scene: SceneRow, edit: SceneEdit) -> bool:
    """Return whether the edit, after which the scene is as given, is a report on an open take of an external worker.

    An edit of a title or prompt, which the owner makes, is none.
    """
    is_external = scene.provider == EXTERNAL and scene.leased_by is None
    is_open = scene.status in lifecycle.OPEN and change.job.left_draft
    return is_external and is_open and any(edit.get(name) is not None for name in _SIGNS_OF_WORK)


async def check_take(
    change: Change, scene: SceneRow, status: SceneStatus, edit: SceneEdit, path: Sequence[str]
) -> None:
    """Raise StaleTake unless the report is about the current take, and by the worker that renders it.

    Raises Forbidden when a worker has leased the take.

    A late report of a canceled take must not become the clip of the next one, and of two workers that take a scene up
    only the first may go on: its provider id cannot be removed either. A report that names neither take nor provider id
    is about the current take.
    """
    _check_not_leased(scene, edit, path)
    number = edit.get("take_number")
    if number is not None and number != scene.take_number:
        raise _stale(
            scene, f"The report is about take {number}; the current one is {scene.take_number}.", path, "takeNumber"
        )
    if "provider_id" not in edit or edit["provider_id"] == scene.provider_id:
        return
    provider_id = edit["provider_id"]
    if number is None and provider_id is not None and await _is_of_another_take(change, scene, provider_id):
        raise _stale(scene, "The providerId belongs to another take of the scene.", path, "providerId")
    if scene.provider_id is not None and _is_rendered(scene.status, status):
        raise _stale(scene, "The take is being rendered under another providerId.", path, "providerId")


def _check_not_leased(scene: SceneRow, edit: SceneEdit, path: Sequence[str]) -> None:
    """Raise Forbidden for a report on a take that a worker has leased, unless it cancels the scene."""
    is_leased = scene.provider == LEASED and scene.status is SceneStatus.PROCESSING
    if is_leased and edit.get("status") is not SceneStatus.CANCELED and any(name in edit for name in _REPORTED):
        raise Forbidden("A worker has leased the take; only reports with its lease are accepted.", path)


def _is_rendered(before: SceneStatus, after: SceneStatus) -> bool:
    """Return whether the take is open, and runs or leaves its queue."""
    return before is SceneStatus.PROCESSING or (before in lifecycle.OPEN and after is not before)


async def _is_of_another_take(change: Change, scene: SceneRow, provider_id: str) -> bool:
    others = sa.select(TAKE.c.id).where(
        TAKE.c.scene_id == scene.id, TAKE.c.provider_id == provider_id, TAKE.c.id != scene.take_id
    )
    return (await (await change.connection()).execute(others.limit(1))).scalar() is not None


def _stale(scene: SceneRow, message: str, path: Sequence[str], name: str) -> StaleTake:
    return StaleTake(message, [*path, name], take_number=scene.take_number, provider_id=scene.provider_id)
