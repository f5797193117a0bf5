"""The rows of new jobs and scenes."""

from coordinator.commands import asking
from coordinator.commands.catalogue import Models
from coordinator.commands.inputs import NewJob, NewScene
from models.db import clock
from models.db.rows import JobRow
from models.domain import ids, settings
from models.domain.access import Viewer
from models.domain.lifecycle import JobStatus, SceneStatus
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
        settings=settings.edited(None, settings.without_provider(provider, new.settings)),
        created_at=instant,
        updated_at=instant,
        started_at=None,
        canceled_at=None,
        finished_at=None,
        deleted_at=None,
        purge_after=None,
    )


def insert_scene(change: Change, scene_id: str, new: NewScene, position: int, max_attempts: int, models: Models) -> int:
    """Write a new pending scene and its first take, as part of the event recorded last; return the take's number."""
    take = first_take(new.prompt)
    asked = asking.new_columns(change.job.provider, new, models, change.job.settings)
    change.insert_scene(
        {
            "id": scene_id,
            "job_id": change.job.id,
            "position": position,
            "title": new.title,
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
            **asked,
        },
        take,
    )
    asking.insert_inputs(change, scene_id, asked["inputs"])
    return take.number
