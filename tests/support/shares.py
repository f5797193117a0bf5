"""A queue and a worker on the domain, for tests of whose turn it is."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from coordinator.bus.port import LocalBus
from coordinator.commands.inputs import NewJob, NewScene
from coordinator.dispatcher import Dispatcher
from coordinator.queue.port import Concurrency, Queue
from coordinator.renders import claims, turns
from coordinator.renders.claim import Claim
from coordinator.renders.claims import NO_LEASE
from coordinator.renders.pool import RunningRenders
from models.domain.access import Viewer
from models.reads import places
from models.writes.change import Ticket
from providers.port import Failure
from tests.support.domain import OURS, Domain, domain
from tests.support.postgres_processes import queue_for
from tests.support.recording_handler import LAST, RecordingHandler, running

ALONE = Concurrency(1, {OURS: 0, LAST.provider: 0})
BUSY = Failure("BUSY", "Try again.", retryable=True)


class Shared(NamedTuple):
    """The domain with a queue; the names of its jobs by id."""

    world: Domain
    queue: Queue
    names: dict[str, str]

    async def a_job(self, owner: Viewer, name: str, scenes: int) -> str:
        """Start a job of this many scenes."""
        new = NewJob(name, [NewScene(f"{name} {number}") for number in range(scenes)], OURS, start=True)
        job_id = await self.world.jobs.create(owner, new)
        self.names[job_id] = name
        return job_id

    async def rendered(self, failures: int = 0, backoff_seconds: float = 0.0) -> list[Claim]:
        """Render until no ticket can be handed out; return the claims in order. The first `failures` takes fail."""
        held: list[Claim] = []

        async def render(ticket: Ticket) -> None:
            claim = await turns.claim(self.world.store, ticket, "worker", NO_LEASE)
            if claim is None:
                return
            held.append(claim)
            if len(held) <= failures:
                await claims.failed(self.world.store, claim, BUSY, backoff_seconds=backoff_seconds)
            else:
                await claims.completed(self.world.store, claim, {})

        handler = RecordingHandler(render)
        async with running(self.queue, handler):
            await handler.until_last(self.queue)
        return held

    def jobs_of(self, held: Sequence[Claim]) -> str:
        """Return the names of the jobs of claims."""
        return " ".join(self.names[claim.job_id] for claim in held)

    async def places(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Return the waiting scenes of jobs with their places."""
        ids = [scene.id for job_id in job_ids for scene in (await self.world.job_state(job_id)).live]
        async with self.world.store.read() as connection:
            return await places.of_scenes(connection, ids)


@asynccontextmanager
async def shared(folder: Path) -> AsyncGenerator[Shared]:
    """Open the domain with the queue of its database, which receives the work of every commit."""
    async with domain(folder) as world, queue_for(folder, ALONE) as queue:
        dispatcher = Dispatcher(queue, LocalBus(), RunningRenders())
        world.commits.after = dispatcher.after_commit
        if queue.joins_transactions:
            world.commits.before = dispatcher.before_commit
        try:
            yield Shared(world, queue, {})
        finally:
            await dispatcher.stop()
