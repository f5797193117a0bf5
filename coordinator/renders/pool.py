"""The renders of this process, by scene."""

import asyncio
import uuid

from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.render import Render, RenderDeps
from models.writes.change import Ticket


class Renders:
    """Runs the renders of this process and aborts those that are fenced off."""

    def __init__(self, tools: RenderDeps) -> None:
        self._tools = tools
        self._worker = uuid.uuid4().hex[:12]
        self._running: dict[str, Render] = {}
        self._stopping = False

    async def handle(self, ticket: Ticket) -> None:
        """Render what the ticket asks for, if that is still wanted. Raises Snooze when it must wait."""
        if self._stopping:
            raise Snooze(1.0)
        if self._renders_already(ticket):
            raise Snooze(self._tools.lease.total_seconds() or 1.0)
        claim = await claims.claim(self._tools.store, ticket, self._worker, self._tools.lease)
        if claim is None:
            return
        render = Render(self._tools, claim)
        self._running[claim.scene_id] = render
        try:
            await render.finished()
        finally:
            if self._running.get(claim.scene_id) is render:
                del self._running[claim.scene_id]
        if self._stopping:
            raise Snooze(1.0)

    def _renders_already(self, ticket: Ticket) -> bool:
        """A queue that missed our heartbeats hands out again what runs here."""
        render = self._running.get(ticket.scene_id)
        return render is not None and render.take_number == ticket.take_number

    def abort(self, scene_id: str) -> None:
        """Stop the render of a scene, if it runs here; what it would still have said no longer counts."""
        render = self._running.get(scene_id)
        if render is not None:
            render.abort()

    async def stop(self) -> None:
        """Abandon everything: scenes stay PROCESSING, and the next start takes them up."""
        self._stopping = True
        await asyncio.gather(*(render.abandon() for render in list(self._running.values())))
