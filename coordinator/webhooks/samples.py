"""The sample event of testWebhook: of a real job where there is one, and never in the event log."""

import sqlalchemy as sa

from models.db import clock
from models.db.database import Connection
from models.db.rows import EventRow, WebhookRow
from models.db.tables import JOB, SCENE
from models.domain.access import Viewer
from models.domain.events import EventType

# No event of a job has this version.
VERSION = 0
# A well-formed id that no job has: its time is 1970.
NO_JOB = "job_00000000000000000000000000"


async def sample(connection: Connection, webhook: WebhookRow, viewer: Viewer) -> EventRow:
    """Return an event of the first type that the webhook subscribes to, about its job or its owner's newest one."""
    kind = EventType(webhook.events[0])
    job_id = webhook.job_id or await _newest_job(connection, webhook.owner_id)
    scene_id = None
    if kind.startswith("SCENE_"):
        scenes = sa.select(SCENE.c.id).where(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_(None))
        scene_id = (await connection.execute(scenes.order_by(SCENE.c.position).limit(1))).scalar()
    instant = await clock.current(connection)
    return EventRow(job_id, VERSION, kind, scene_id, viewer.id, [], instant)


async def _newest_job(connection: Connection, owner_id: str) -> str:
    jobs = sa.select(JOB.c.id).where(JOB.c.owner_id == owner_id, JOB.c.deleted_at.is_(None))
    newest = jobs.order_by(JOB.c.created_at.desc(), JOB.c.id.desc()).limit(1)
    return (await connection.execute(newest)).scalar() or NO_JOB
