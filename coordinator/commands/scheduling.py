"""Schedules takes for our workers, and sets their priorities."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from models.db.tables import JOB, SCENE
from models.domain.access import EXTERNAL
from models.reads.queries import waits_for_worker
from models.writes.change import Change, Ticket


async def schedule_takes(change: Change, takes: Sequence[tuple[str, int]], *, delay_seconds: float = 0.0) -> None:
    """Put current takes, given as (scene id, take number), into the queue. Does nothing in drafts and external jobs.

    Fair share: the priority falls with the number of takes of the owner already waiting, so that the takes of several
    owners alternate.
    """
    if change.job.provider == EXTERNAL or not change.job.left_draft:
        return
    if change.waiting is None:
        change.waiting = await _waiting_of_owner(change)
    due = change.now + timedelta(seconds=delay_seconds)
    for ahead, (scene_id, take_number) in enumerate(takes, start=change.waiting):
        await change.connection.execute(
            sa.update(SCENE).where(SCENE.c.id == scene_id).values(queued_at=due, priority=-ahead)
        )
        change.tickets.append(Ticket(change.job.provider, change.job.id, scene_id, take_number, -ahead, delay_seconds))
    change.waiting += len(takes)


def resume(change: Change) -> None:
    """Set the start of a job that was canceled as a draft, now that one of its scenes is to be rendered."""
    if change.job.left_draft and change.job.started_at is None:
        change.set_job(started_at=change.now)


async def _waiting_of_owner(change: Change) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(JOB.c.owner_id == change.job.owner_id, waits_for_worker())
    )
    return (await change.connection.execute(query)).scalar_one()
