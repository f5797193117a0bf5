"""The renders of this process, by scene."""

import asyncio
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from coordinator.queue.port import Snooze
from coordinator.renders import lease, turns
from coordinator.renders.adoption_places import AdoptionPlaces
from coordinator.renders.claim import Claim
from coordinator.renders.deps import RenderDeps
from coordinator.renders.render import Render
from models.db.cancellation import shield_to_completion
from models.db.rows import SceneRow
from models.domain.access import EXTERNAL, SYSTEM
from models.reads import queries
from models.writes.change import Ticket

# Without a lease, the delay of a ticket that cannot be handled now.
SNOOZE_SECONDS = 1.0


class RunningRenders:
    """The renders that run in this process, by scene and by the ticket that they run under."""

    def __init__(self) -> None:
        self._renders: dict[str, Render] = {}
        self._tickets = set[str]()

    @contextmanager
    def registered(self, scene_id: str, render: Render, ticket: Ticket) -> Generator[None]:
        """Let `abort` and `includes` find the render in this block."""
        self._renders[scene_id] = render
        self._tickets.add(ticket.key)
        try:
            yield
        finally:
            self._tickets.discard(ticket.key)
            if self._renders.get(scene_id) is render:
                del self._renders[scene_id]

    def includes(self, ticket: Ticket) -> bool:
        """Whether a render runs under the ticket: a queue that missed heartbeats hands it out again."""
        return ticket.key in self._tickets

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
        self._adoption_places = AdoptionPlaces()

    async def handle(self, ticket: Ticket) -> None:
        """Render the take whose turn it is, if any waits. Raises Snooze when the ticket must wait.

        When cancelled, hand the render over to the next worker, or to the next start.
        """
        if self._running.includes(ticket):
            raise Snooze(self._deps.lease.total_seconds() or SNOOZE_SECONDS)
        with ExitStack() as places:
            if ticket.provider == EXTERNAL and (scene := await self._scene(ticket)) is not None:
                places.enter_context(self._adoption_places.taken(scene))
            claim = await self._claim(ticket)
            if claim is None:
                return
            render = Render(self._deps, claim)
            with self._running.registered(claim.scene_id, render, ticket):
                await render.finished()

    async def _scene(self, ticket: Ticket) -> SceneRow | None:
        async with self._deps.store.read() as connection:
            return await queries.one(queries.scenes_by_id, connection, SYSTEM, ticket.scene_id)

    async def _claim(self, ticket: Ticket) -> Claim | None:
        """Claim a take under the ticket; release it when cancelled meanwhile."""
        models = await self._deps.catalogue.read()
        claiming = asyncio.ensure_future(turns.claim(self._deps.store, ticket, self._worker, self._deps.lease, models))
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
