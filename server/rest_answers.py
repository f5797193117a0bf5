"""How a scene and a job's progress look in REST v3: snake_case, statuses in lower case."""

from typing import Any

from models.progress import Reading
from models.rows import SceneRow
from schema.context import Context

Answer = dict[str, Any]


def scene_answer(context: Context, scene: SceneRow) -> Answer:
    """A scene."""
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
        "video_url": _url(context, scene.output),
        "poster_url": _url(context, scene.poster),
        "failure": scene.failure,
        "attempts": scene.attempts,
        "max_attempts": scene.max_attempts,
        "next_attempt_at": scene.next_attempt_at,
        "metadata": scene.metadata,
        "version": scene.version,
        "created_at": scene.created_at,
        "updated_at": scene.updated_at,
        "started_at": scene.started_at,
        "finished_at": scene.finished_at,
        "deleted_at": scene.deleted_at,
    }


def progress_answer(reading: Reading) -> Answer:
    """How far a job is."""
    return {
        "total": reading.total,
        "completed": reading.completed,
        "processing": reading.processing,
        "failed": reading.failed,
        "canceled": reading.canceled,
        "pending": reading.pending,
        "percentage": reading.percentage,
        "current_stage": reading.current_stage.lower(),
    }


def _url(context: Context, stored: dict[str, Any] | None) -> str | None:
    return None if stored is None else context.link_to(stored).url
