"""Changes of the play order, and the limits of positions."""

from collections.abc import Sequence

from models.db.rows import SceneRow
from models.domain import ids
from models.domain.arrangement import Arrangement
from models.domain.errors import ErrorCode, Invalid
from models.domain.events import EventType
from models.domain.rules import SCENES_PER_JOB, Problems, too_many_scenes
from models.writes.change import Change


def check_room(change: Change, path: Sequence[str]) -> None:
    """Raise Invalid (LIMIT_EXCEEDED) when the job has the maximum number of scenes."""
    if change.job.total >= SCENES_PER_JOB:
        raise too_many_scenes(path)


def check_position(position: int, last: int) -> None:
    """Raise Invalid for a position outside 0..last."""
    if not 0 <= position <= last:
        raise Invalid(f"position must be from 0 to {last}.", ["input", "position"])


async def move(change: Change, scene: SceneRow, position: int) -> None:
    """Move a live scene to another position, 0-based, and shift the scenes in between. One event."""
    check_position(position, change.job.total - 1)
    arrangement = await change.arrangement()
    order = [scene_id for scene_id in arrangement.live if scene_id != scene.id]
    order.insert(position, scene.id)
    _reorder(change, arrangement, order, scene.id)


def check_length(scene_ids: Sequence[str]) -> None:
    """Raise Invalid (LIMIT_EXCEEDED) for more scenes than a job can have."""
    if len(scene_ids) > SCENES_PER_JOB:
        raise too_many_scenes(["input", "sceneIds"])


async def reorder(change: Change, scene_ids: Sequence[str]) -> None:
    """Put all live scenes in this order; only those that move are written. The current order is no change.

    Raises DomainErrors (INCOMPLETE_ORDER) with every scene that is missing, not live in the job, or repeated.
    """
    arrangement = await change.arrangement()
    _check_complete(arrangement.live, scene_ids)
    _reorder(change, arrangement, scene_ids, None)


def _reorder(change: Change, arrangement: Arrangement, order: Sequence[str], moved: str | None) -> None:
    if list(order) != arrangement.live:
        arrangement.reorder(order)
        change.record(EventType.SCENES_REORDERED, moved, ["position"])
        change.composition_changed()


def _check_complete(live: Sequence[str], scene_ids: Sequence[str]) -> None:
    problems, seen = Problems(), set[str]()
    for index, scene_id in enumerate(scene_ids):
        path = ["input", "sceneIds", str(index)]
        # Text that is no id could be anything, so the message does not repeat it.
        name = scene_id if ids.is_id(scene_id, "scene") else "This"
        if scene_id not in live:
            problems.add(f"{name} is not a live scene of the job.", path, ErrorCode.INCOMPLETE_ORDER)
        elif scene_id in seen:
            problems.add(f"{name} is named twice.", path, ErrorCode.INCOMPLETE_ORDER)
        seen.add(scene_id)
    for scene_id in live:
        if scene_id not in seen:
            problems.add(f"{scene_id} is missing.", ["input", "sceneIds"], ErrorCode.INCOMPLETE_ORDER)
    problems.check()
