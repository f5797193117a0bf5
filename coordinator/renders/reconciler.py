"""The reconciler: enqueues every open scene, and every job whose clips must still be joined.

It makes a queue in memory durable, and is the safety net of any other. Tickets that are waiting or running are skipped.
"""

from coordinator.queue.port import Queue
from coordinator.renders.claims import ticket_of
from models.db import clock
from models.reads import queries
from models.writes.change import Assembly
from models.writes.store import Store


async def reconcile(store: Store, queue: Queue) -> int:
    """Enqueue all open work of our workers; returns the number of open scenes."""
    async with store.read() as connection:
        scenes = await queries.open_renders(connection)
        instant = await clock.current(connection)
        unjoined = await queries.awaiting_assembly(connection)
    await queue.enqueue([*(ticket_of(scene, instant) for scene in scenes), *(Assembly(*each) for each in unjoined)])
    return len(scenes)
