"""A new take, which becomes the current one of its scene."""

from datetime import datetime
from typing import Any, NamedTuple

from models.db.rows import JobRow, SceneRow
from models.domain import ids
from models.domain.lifecycle import SceneStatus, TakeReason


class NewTake(NamedTuple):
    """A pending take that is not written yet; see `Change.write_scene` and `Change.insert_scene`."""

    id: str
    number: int
    reason: TakeReason
    prompt: str

    @property
    def scene_columns(self) -> dict[str, Any]:
        """The columns of the scene that make this take its current one."""
        return {"take_id": self.id, "take_number": self.number, "newest_take": self.number}

    def columns(self, scene_id: str, job: JobRow, created_at: datetime) -> dict[str, Any]:
        """Return the columns of the take itself."""
        return {
            **self._asdict(),
            "scene_id": scene_id,
            "job_id": job.id,
            "status": SceneStatus.PENDING,
            "provider": job.provider,
            "created_at": created_at,
        }


def first_take(prompt: str) -> NewTake:
    """Return the first take of a new scene."""
    return NewTake(ids.new("take"), 1, TakeReason.INITIAL, prompt)


def next_take(scene: SceneRow, reason: TakeReason, prompt: str) -> NewTake:
    """Return the take that follows the latest one of the scene."""
    return NewTake(ids.new("take"), scene.newest_take + 1, reason, prompt)
