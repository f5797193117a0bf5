"""The renders of this process, by scene."""

import asyncio
import uuid

from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.render import Render, RenderDeps
from models.writes.change import Ticket

# Without a lease, the delay of a ticket that cannot be handled now.
SNOOZE_SECONDS = 1.0


class Renders:
    """Runs the renders of this process, and aborts those that are fenced off."""

    def __init__(self, deps: RenderDeps) -> None:
        self._deps = deps
        self._worker = uuid.uuid4().hex[:12]
        self._running: dict[str, Render] = {}
        self._stopping = False

    async def handle(self, ticket: Ticket) -> None:
        """Render the ticket's take, unless the ticket is stale. Raises Snooze when it must wait."""
        if self._stopping:
            raise Snooze(SNOOZE_SECONDS)
        if self._is_running(ticket):
            raise Snooze(self._deps.lease.total_seconds() or SNOOZE_SECONDS)
        claim = await claims.claim(self._deps.store, ticket, self._worker, self._deps.lease)
        if claim is None:
            return
        render = Render(self._deps, claim)
        self._running[claim.scene_id] = render
        try:
            await render.finished()
        finally:
            if self._running.get(claim.scene_id) is render:
                del self._running[claim.scene_id]
        if self._stopping:
            raise Snooze(SNOOZE_SECONDS)

    def _is_running(self, ticket: Ticket) -> bool:
        """Whether the take runs here: a queue that missed heartbeats hands out its ticket again."""
        render = self._running.get(ticket.scene_id)
        return render is not None and render.take_number == ticket.take_number

    def abort(self, scene_id: str) -> None:
        """Stop the render of a scene, if it runs here, and cancel it at the provider."""
        render = self._running.get(scene_id)
        if render is not None:
            render.abort()

    async def stop(self) -> None:
        """Abandon all renders: scenes stay PROCESSING, and the next start resumes them."""
        self._stopping = True
        await asyncio.gather(*(render.abandon() for render in list(self._running.values())))
