"""Schedules takes for our workers, and sets their priorities."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from models.db.prepared import Call, Prepared
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
        change.set_scene(scene_id, queued_at=due, priority=-ahead)
        change.tickets.append(Ticket(change.job.provider, change.job.id, scene_id, take_number, -ahead, delay_seconds))
    change.waiting += len(takes)


def resume(change: Change) -> None:
    """Set the start of a job that was canceled as a draft, now that one of its scenes is to be rendered."""
    if change.job.left_draft and change.job.started_at is None:
        change.set_job(started_at=change.now)


_WAITING_OF_OWNER = Prepared(
    sa.select(sa.func.count())
    .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
    .where(JOB.c.owner_id == sa.bindparam("owner_id", type_=JOB.c.owner_id.type), waits_for_worker())
)


async def _waiting_of_owner(change: Change) -> int:
    # The scenes of a new job do not wait yet, so that they need not be written before.
    call = Call(_WAITING_OF_OWNER, [{"owner_id": change.job.owner_id}])
    ((waiting,),) = await change.read(call, flush=not change.is_new)
    return waiting
