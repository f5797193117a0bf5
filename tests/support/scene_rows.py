"""Rows of scenes for tests that need few of their columns."""

from typing import Any

from models.db.rows import SceneRow
from models.domain.lifecycle import SceneStatus


def scene_row(scene_id: str, **columns: Any) -> SceneRow:
    """Return the row of a scene with these columns; the others are None, and the version is 1."""
    blank = SceneRow._make([None] * len(SceneRow._fields))
    return blank._replace(id=scene_id, **{"version": 1, **columns})


def running_row(scene_id: str, percentage: float | None = 50.0, take: int = 1) -> SceneRow:
    """Return the row of a scene that is being rendered."""
    return scene_row(
        scene_id,
        take_id=f"take of {scene_id}",
        take_number=take,
        newest_take=take,
        status=SceneStatus.PROCESSING,
        percentage=percentage,
    )
