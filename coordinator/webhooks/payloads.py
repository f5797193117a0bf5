"""The body of a delivery: the event, and its job and scene in the format of REST v3."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from coordinator.webhooks.json_v3 import MediaUrl, job_answer, scene_answer
from models.db.database import Connection
from models.db.rows import DeliveryRow, JobRow, SceneRow
from models.domain.access import SYSTEM
from models.domain.events import EventType
from models.domain.progress import ProgressSnapshot
from models.reads import queries


async def bodies(connection: Connection, deliveries: Sequence[DeliveryRow], media_url: MediaUrl) -> dict[str, str]:
    """Return the bodies of deliveries by id, with job and scene as they are now, null when they were purged."""
    job_ids = sorted({delivery.job_id for delivery in deliveries})
    scene_ids = sorted({delivery.scene_id for delivery in deliveries if delivery.scene_id is not None})
    jobs = await queries.jobs_by_id(connection, SYSTEM, job_ids)
    progress_snapshots = await queries.progress_snapshots(connection, SYSTEM, job_ids)
    scenes = await queries.scenes_by_id(connection, SYSTEM, scene_ids) if scene_ids else {}
    return {delivery.id: _body(delivery, jobs, progress_snapshots, scenes, media_url) for delivery in deliveries}


def dotted(kind: EventType) -> str:
    """Return the type of a message, "full-stop delimited" by Standard Webhooks: scene.completed, scenes.reordered."""
    return kind.value.lower().replace("_", ".", 1)


def _body(
    delivery: DeliveryRow,
    jobs: Mapping[str, JobRow],
    progress_snapshots: Mapping[str, ProgressSnapshot],
    scenes: Mapping[str, SceneRow],
    media_url: MediaUrl,
) -> str:
    data: dict[str, Any] = {
        "version": delivery.version,
        "type": delivery.event_type,
        "job_id": delivery.job_id,
        "scene_id": delivery.scene_id,
        "actor_id": delivery.actor_id,
        "changed": delivery.changed,
        "job": None,
    }
    job, snapshot = jobs.get(delivery.job_id), progress_snapshots.get(delivery.job_id)
    if job is not None and snapshot is not None:
        data["job"] = job_answer(media_url, job, snapshot)
    if delivery.scene_id is not None:
        scene = scenes.get(delivery.scene_id)
        data["scene"] = None if scene is None else scene_answer(media_url, scene)
    if delivery.is_test:
        data["test"] = True
    message = {"type": dotted(delivery.event_type), "timestamp": delivery.occurred_at, "data": data}
    return orjson.dumps(message, option=orjson.OPT_UTC_Z).decode()
