"""The reconciler: puts every open scene, and every job whose clips are yet to be joined, back into the queue.

It is the durability of a queue in memory and the safety net of any other; tickets of takes that are already waiting or
running are left as they are.
"""

from coordinator.queue.port import Queue
from coordinator.renders.claims import ticket_of
from models.reads import queries
from models.writes.change import Assembly
from models.writes.store import Store


async def reconcile(store: Store, queue: Queue) -> int:
    """Enqueue whatever our workers still have to render; answers how many scenes are open."""
    async with store.read() as connection:
        scenes = await queries.open_renders(connection)
        unjoined = await queries.unjoined(connection)
    await queue.enqueue([*(ticket_of(scene) for scene in scenes), *(Assembly(*each) for each in unjoined)])
    return len(scenes)
