"""The reconciler: enqueues every open scene, and every job whose clips must still be joined.

It makes a queue in memory durable, and is the safety net of any other. Tickets that are waiting or running are skipped.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

from coordinator.queue.port import Queue
from coordinator.renders.tickets import ticket_of
from models.db import clock
from models.domain.access import SYSTEM
from models.domain.errors import InvalidState, NotFound
from models.reads import queries
from models.reads.queries import Unjoined
from models.writes import composition, lines, turns
from models.writes.change import Assembly
from models.writes.store import Store


async def reconcile(store: Store, queue: Queue) -> int:
    """Enqueue all open work of our workers; returns the number of open scenes."""
    async with store.write() as connection:
        await turns.repair(connection)
        unlined = await lines.repair(connection)
    for job_id in unlined:
        await _line_up(store, job_id)
    async with store.read() as connection:
        scenes = await queries.open_renders(connection)
        instant = await clock.current(connection)
        unjoined = await queries.awaiting_assembly(connection)
    await queue.enqueue([*(ticket_of(scene, instant) for scene in scenes), *_assemblies(unjoined)])
    return len(scenes)


async def _line_up(store: Store, job_id: str) -> None:
    """Write the lines in which the takes of a job wait for leased workers."""
    with suppress(NotFound, InvalidState):
        async with store.change(job_id, SYSTEM) as change:
            change.keep = True


def _assemblies(unjoined: Sequence[Unjoined]) -> Iterator[Assembly]:
    """Yield the assemblies; those of one owner wait for each other, as when they were first enqueued."""
    seconds_of_owner: defaultdict[str, float] = defaultdict(float)
    for each in unjoined:
        seconds_of_owner[each.owner_id] += each.seconds
        priority = composition.priority(each.updated_at, seconds_of_owner[each.owner_id])
        yield Assembly(each.job_id, each.composition_version, priority=priority)
