"""Checks that a scene is the requested one, live, and at the expected version."""

from collections.abc import Sequence

from models.db.rows import SceneRow
from models.domain.errors import ErrorCode, InvalidState, NotFound
from models.writes.store import stale

Path = Sequence[str]


def no_such_scene(scene_id: str, path: Path) -> NotFound:
    """Return the refusal of a scene that does not exist, or that the viewer may not see."""
    return NotFound("There is no such scene.", path, scene_id)


def job_of(found: str | None, scene_id: str, requested: str | None, path: Path) -> str:
    """Return `found`, the job of a scene if it has a visible one, which must be the requested job if one was named.

    Raises NotFound: SCENE_NOT_IN_JOB for a scene of another job.
    """
    if found is None:
        raise no_such_scene(scene_id, path)
    if requested is not None and requested != found:
        raise NotFound("The scene belongs to another job.", path, scene_id, ErrorCode.SCENE_NOT_IN_JOB)
    return found


def check_live(scene: SceneRow, path: Path) -> None:
    """Raise InvalidState (ALREADY_DELETED) for a deleted scene."""
    if scene.deleted_at is not None:
        raise InvalidState(ErrorCode.ALREADY_DELETED, "The scene is deleted.", path)


def check_version(scene: SceneRow, expected: int | None, path: Path = ("input", "expectedVersion")) -> None:
    """Raise Conflict (STALE_VERSION) for a scene that has changed since the expected version."""
    if expected is not None and expected != scene.version:
        raise stale(scene.version, path)
