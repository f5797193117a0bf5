"""The renders of this process, by scene."""

import asyncio
import uuid
from collections.abc import Generator
from contextlib import contextmanager

from coordinator.queue.port import Snooze
from coordinator.renders import claims, lease
from coordinator.renders.claims import Claim
from coordinator.renders.render import Render, RenderDeps
from models.db.cancellation import shield_to_completion
from models.writes.change import Ticket

# Without a lease, the delay of a ticket that cannot be handled now.
SNOOZE_SECONDS = 1.0


class RunningRenders:
    """The renders that run in this process, by scene."""

    def __init__(self) -> None:
        self._renders: dict[str, Render] = {}

    @contextmanager
    def registered(self, scene_id: str, render: Render) -> Generator[None]:
        """Let `abort` find the render in this block."""
        self._renders[scene_id] = render
        try:
            yield
        finally:
            if self._renders.get(scene_id) is render:
                del self._renders[scene_id]

    def includes(self, ticket: Ticket) -> bool:
        """Whether the ticket's take is being rendered: a queue that missed heartbeats hands out its ticket again."""
        render = self._renders.get(ticket.scene_id)
        return render is not None and render.take_number == ticket.take_number

    def abort(self, scene_id: str) -> None:
        """Stop the render of a scene, if it runs here, and cancel it at the provider."""
        render = self._renders.get(scene_id)
        if render is not None:
            render.abort()


class Renders:
    """Runs the renders of this process."""

    def __init__(self, deps: RenderDeps, running: RunningRenders) -> None:
        self._deps = deps
        self._worker = uuid.uuid4().hex[:12]
        self._running = running

    async def handle(self, ticket: Ticket) -> None:
        """Render the ticket's take, unless the ticket is stale. Raises Snooze when it must wait.

        When cancelled, hand the render over to the next worker, or to the next start.
        """
        if self._running.includes(ticket):
            raise Snooze(self._deps.lease.total_seconds() or SNOOZE_SECONDS)
        claim = await self._claim(ticket)
        if claim is None:
            return
        render = Render(self._deps, claim)
        with self._running.registered(claim.scene_id, render):
            await render.finished()

    async def _claim(self, ticket: Ticket) -> Claim | None:
        """Claim the ticket's take; release it when cancelled meanwhile."""
        claiming = asyncio.ensure_future(claims.claim(self._deps.store, ticket, self._worker, self._deps.lease))
        try:
            await asyncio.wait([claiming])
        except asyncio.CancelledError:
            await shield_to_completion(self._release(claiming))
            raise
        return claiming.result()

    async def _release(self, claiming: asyncio.Future[Claim | None]) -> None:
        await asyncio.wait([claiming])
        if claiming.exception() is None and (claim := claiming.result()) is not None and self._deps.lease:
            await lease.release(self._deps.store, claim)
