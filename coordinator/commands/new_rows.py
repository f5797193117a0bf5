"""The rows of new jobs and scenes."""

from coordinator.commands.inputs import NewJob, NewScene
from models.db import clock
from models.db.rows import JobRow
from models.domain import ids
from models.domain.access import Viewer
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.rules import DEFAULT_DURATION_SECONDS
from models.writes.change import Change
from models.writes.new_take import first_take


def new_job_row(viewer: Viewer, new: NewJob, provider: str) -> JobRow:
    """Return the row of a new job without scenes, at version 0."""
    instant = clock.now()
    return JobRow(
        id=ids.new("job"),
        owner_id=viewer.id,
        title=new.title,
        provider=provider,
        metadata=dict(new.metadata or {}),
        version=0,
        status=JobStatus.PENDING,
        pending=0,
        processing=0,
        completed=0,
        failed=0,
        canceled=0,
        retrying=0,
        composition_version=0,
        output=None,
        output_failure=None,
        created_at=instant,
        updated_at=instant,
        started_at=None,
        canceled_at=None,
        finished_at=None,
        deleted_at=None,
        purge_after=None,
    )


def insert_scene(change: Change, scene_id: str, new: NewScene, position: int, max_attempts: int) -> int:
    """Write a new pending scene and its first take, as part of the event recorded last; return the take's number."""
    take = first_take(new.prompt)
    change.insert_scene(
        {
            "id": scene_id,
            "job_id": change.job.id,
            "position": position,
            "title": new.title,
            "prompt": new.prompt,
            "duration_seconds": new.duration_seconds or DEFAULT_DURATION_SECONDS,
            "status": SceneStatus.PENDING,
            "run": 0,
            "high_water": 0.0,
            "attempts": 0,
            "max_attempts": max_attempts,
            "priority": 0,
            "failure": None,
            "metadata": dict(new.metadata or {}),
            "version": change.job.version,
            "created_at": change.now,
            "updated_at": change.now,
        },
        take,
    )
    return take.number
