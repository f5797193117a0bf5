"""How two states of a row differ, in what a change has to write or to count."""

from collections.abc import Iterable
from itertools import compress
from operator import is_not
from typing import Any

from models.db.rows import JobRow, SceneRow
from models.domain.lifecycle import SceneStatus


def replaced(job: JobRow, stored: JobRow) -> Iterable[tuple[str, Any, Any]]:
    """Return the names of columns with another object, which may be equal, and both objects."""
    return compress(zip(JobRow._fields, job, stored, strict=True), map(is_not, job, stored))


def counted_as(scene: SceneRow) -> tuple[bool, SceneStatus, bool]:
    """Return what decides which counters of its job a scene is in."""
    return scene.deleted_at is None, scene.status, waits_for_retry(scene)


def waits_for_retry(scene: SceneRow) -> bool:
    """Whether the scene is pending because its render is tried again later."""
    return scene.status is SceneStatus.PENDING and scene.next_attempt_at is not None
