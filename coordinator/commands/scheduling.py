"""Schedules takes for our workers, and sets their priorities."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from models.db.prepared import Call, Prepared
from models.db.tables import JOB, SCENE
from models.domain import trace
from models.domain.access import EXTERNAL, LEASED
from models.reads.queries import waits_for_worker
from models.writes.change import Change, Ticket
from models.writes.take_steps import State, TakeStep


async def schedule_takes(change: Change, takes: Sequence[tuple[str, int]], *, delay_seconds: float = 0.0) -> None:
    """Put current takes, given as (scene id, take number), into the queue. Does nothing in drafts.

    In external jobs the time begins in which a worker outside the server must report on them. Leased takes are handed
    out to the workers that ask for them, without tickets.

    The priority is that of the ticket among those of other providers: it falls with the number of takes of the owner
    already waiting. Which take of a provider is next is a matter of turns (`models.writes.turns`).
    """
    if not change.job.left_draft:
        return
    _note_queued(change, takes, delay_seconds)
    if change.job.provider == EXTERNAL:
        for scene_id, _ in takes:
            change.set_scene(scene_id, reported_at=change.now)
        return
    if change.waiting is None:
        change.waiting = await _waiting_of_owner(change)
    change.scheduled = True
    due = change.now + timedelta(seconds=delay_seconds)
    for ahead, (scene_id, take_number) in enumerate(takes, start=change.waiting):
        change.set_scene(scene_id, queued_at=due, priority=-ahead)
        if change.job.provider != LEASED:
            change.tickets.append(
                Ticket(change.job.provider, change.job.id, scene_id, take_number, -ahead, delay_seconds)
            )
    change.waiting += len(takes)


def _note_queued(change: Change, takes: Sequence[tuple[str, int]], delay_seconds: float) -> None:
    """Note the step for logs and metrics, and write the trace of the current task, if there is one, to the scenes."""
    context = trace.current()
    traceparent = None if context is None else context.header()
    provider, job_id = change.job.provider, change.job.id
    for scene_id, take_number in takes:
        queued = TakeStep(
            State.QUEUED, provider, job_id, scene_id, take_number, change.now, delay_seconds=delay_seconds
        )
        change.steps.append(queued)
        if traceparent is not None:
            change.pending.update(SCENE, scene_id, {"traceparent": traceparent})


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
