"""Scenes, jobs and progress as JSON of REST v3 and of webhooks: snake_case, statuses in lower case."""

from collections.abc import Callable
from typing import Any

from coordinator.commands.fitting import model_id
from models.db.rows import JobRow, SceneRow
from models.domain import settings
from models.domain.access import EXTERNAL
from models.domain.progress import ProgressSnapshot

Answer = dict[str, Any]
# Returns the URL of a stored file by its key.
MediaUrl = Callable[[str], str]


def scene_answer(media_url: MediaUrl, scene: SceneRow) -> Answer:
    """Return the JSON of a scene."""
    return {
        "id": scene.id,
        "job_id": scene.job_id,
        "position": scene.position,
        "title": scene.title,
        "prompt": scene.prompt,
        "duration_seconds": scene.duration_seconds,
        "status": scene.status.lower(),
        "percentage": scene.percentage,
        "provider": scene.provider,
        "provider_id": scene.provider_id,
        "video_url": _url(media_url, scene.output),
        "poster_url": _url(media_url, scene.poster),
        "failure": scene.failure,
        "take_number": scene.take_number,
        "attempts": scene.attempts,
        "max_attempts": scene.max_attempts,
        "next_attempt_at": scene.next_attempt_at,
        "metadata": scene.metadata,
        "settings": _settings(scene.provider, scene.settings, scene.job_settings),
        "inputs": [each | {"role": each["role"].lower()} for each in scene.inputs or ()],
        "version": scene.version,
        "created_at": scene.created_at,
        "updated_at": scene.updated_at,
        "started_at": scene.started_at,
        "finished_at": scene.finished_at,
        "deleted_at": scene.deleted_at,
    }


def job_answer(media_url: MediaUrl, job: JobRow, snapshot: ProgressSnapshot) -> Answer:
    """Return the JSON of a job with its progress."""
    return {
        "id": job.id,
        "title": job.title,
        "status": job.status.lower(),
        "provider": job.provider,
        "progress": progress_answer(snapshot),
        "video_url": _url(media_url, job.output),
        "metadata": job.metadata,
        "settings": _settings(job.provider, job.settings),
        "version": job.version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "deleted_at": job.deleted_at,
    }


def progress_answer(snapshot: ProgressSnapshot) -> Answer:
    """Return the JSON of a job's progress."""
    return {
        "total": snapshot.total,
        "completed": snapshot.completed,
        "processing": snapshot.processing,
        "failed": snapshot.failed,
        "canceled": snapshot.canceled,
        "pending": snapshot.pending,
        "percentage": snapshot.percentage,
        "current_stage": snapshot.current_stage.lower(),
    }


def _settings(provider: str, *levels: settings.Stored) -> Answer:
    """Return the settings that were given, the scene's before the job's; the rest is left to the model."""
    found = settings.folded(*levels)
    if "model" in found and provider != EXTERNAL:
        found["model"] = model_id(provider, found["model"])
    if "resolution" in found:
        found["resolution"] = found["resolution"].lower()
    return found


def _url(media_url: MediaUrl, stored: dict[str, Any] | None) -> str | None:
    if stored is None:
        return None
    return stored["url"] if "url" in stored else media_url(stored["key"])
