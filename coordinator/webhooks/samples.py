"""The sample event that a webhook is tested with: of a real job where there is one, and never in a log."""

import sqlalchemy as sa

from models.db.database import Connection
from models.db.rows import EventRow, WebhookRow
from models.db.tables import JOB, SCENE
from models.domain.access import Viewer
from models.domain.events import EventType
from models.writes.store import now

# No event of a job has it.
VERSION = 0
# A well-formed id that is never given out: its time is 1970.
NO_JOB = "job_00000000000000000000000000"


async def sample(connection: Connection, webhook: WebhookRow, viewer: Viewer) -> EventRow:
    """An event of the first type that the webhook wants, about its job or else its owner's newest."""
    kind = EventType(webhook.events[0])
    job_id = webhook.job_id or await _newest_job(connection, webhook.owner_id)
    scene_id = None
    if kind.startswith("SCENE_"):
        scenes = sa.select(SCENE.c.id).where(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_(None))
        scene_id = (await connection.execute(scenes.order_by(SCENE.c.position).limit(1))).scalar()
    return EventRow(job_id, VERSION, kind, scene_id, viewer.id, [], now())


async def _newest_job(connection: Connection, owner_id: str) -> str:
    jobs = sa.select(JOB.c.id).where(JOB.c.owner_id == owner_id, JOB.c.deleted_at.is_(None))
    newest = jobs.order_by(JOB.c.created_at.desc(), JOB.c.id.desc()).limit(1)
    return (await connection.execute(newest)).scalar() or NO_JOB
