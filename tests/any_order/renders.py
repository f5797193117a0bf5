"""What workers of ours say of their renders, in time or too late."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from coordinator.commands import scene_progress
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.claims import NO_LEASE, Claim
from models.writes.change import Ticket
from providers.port import Failure
from tests.any_order.bench import Bench, Held, Real, Ticketed
from tests.any_order.model_facts import Events
from tests.any_order.model_scene import ModelScene
from tests.any_order.world import Death
from tests.support.domain import OURS

LATER_SECONDS = 3600.0
LEASE = timedelta(seconds=LATER_SECONDS)
CLIP = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
PICKS = st.integers(0, 30)
OFTEN, SELDOM = st.sampled_from([True, True, True, False]), st.sampled_from([False, False, False, True])
DEATHS = st.sampled_from([None, None, None, None, None, None, None, None, *Death])
PROVIDER_IDS = st.sampled_from(["p-1", "p-2"])
PERCENTAGES = st.sampled_from([0.0, 33.3, 50.0, 99.999, 100.0])
SAID = st.sampled_from(["claim", "claim", "submitted", "got on", "got on", "complete", "failed", "failed", "alive"])


class Renders(Bench):
    """The rules of renders."""

    @precondition(lambda self: self.tickets)
    @rule(
        said=SAID,
        pick=PICKS,
        good=OFTEN,
        percentage=PERCENTAGES,
        provider_id=PROVIDER_IDS,
        retryable=OFTEN,
        wait=SELDOM,
        death=DEATHS,
    )
    def say_of_a_render(
        self,
        said: str,
        pick: int,
        good: bool,
        percentage: float,
        provider_id: str,
        retryable: bool,
        wait: bool,
        death: Death | None,
    ) -> None:
        """A worker of ours says something, in time or too late."""
        if said == "claim" or not self.held:
            return self.claim(self.ticket(pick, good=good), death)
        job, scene, held = self.right(pick, good=good)
        store, failure = self.world.container.store, Failure("OUT_OF_PAPER", "No paper.", retryable=retryable)
        backoff = LATER_SECONDS if wait else 0.0
        both: dict[str, tuple[Callable[[], Events], Real[None]]] = {
            "submitted": (
                lambda: job.submitted(scene, held, provider_id),
                lambda: claims.submitted(store, held, provider_id),
            ),
            "got on": (lambda: job.advanced(scene, held, percentage), lambda: self.advance(held, percentage)),
            "complete": (lambda: job.completed(scene, held), lambda: claims.completed(store, held, CLIP)),
            "failed": (
                lambda: job.failed(scene, held, failure, later=wait),
                lambda: claims.failed(store, held, failure, backoff_seconds=backoff),
            ),
            "alive": (lambda: job.alive(scene, held), lambda: claims.heartbeat(store, held, NO_LEASE)),
        }
        self.does(job, *both[said], death)
        if said == "alive" and scene.ours and not scene.deleted:
            self.rob(scene, held)
        return None

    go_on_saying = say_of_a_render

    def claim(self, drawn: Ticketed, death: Death | None) -> None:
        job, scene, ticket = drawn
        store = self.world.container.store
        if scene.take == ticket.take_number and scene.retry_later and not scene.deleted:
            return self.must_wait(lambda: claims.claim(store, ticket, "worker"))
        fits = job.fits(scene, ticket.take_number)
        claim = self.does(
            job, lambda: job.claim(scene) if fits else [], lambda: claims.claim(store, ticket, "worker"), death
        )
        assert (claim is not None) == (fits and not self.died)
        if claim is not None:
            assert (claim.take_number, claim.run) == (scene.take, scene.run)
            self.held.append(Held(job, scene, claim))
        return None

    async def advance(self, held: Claim, percentage: float) -> None:
        async with self.world.container.store.write() as connection:
            take, run = held.take_number, held.run
            await scene_progress.advance(connection, held.scene_id, take, run, percentage=percentage)

    def rob(self, scene: ModelScene, held: Claim) -> None:
        """Another worker wants it, too, but who was heard of within the lease keeps it."""
        ticket = Ticket(OURS, held.job_id, scene.id, scene.take)
        self.must_wait(lambda: claims.claim(self.world.container.store, ticket, "another", LEASE))

    def must_wait(self, claiming: Real[Claim | None]) -> None:
        assert 0 < self.runner.run(delay_of(claiming)) <= LATER_SECONDS
        assert self.world.rows() == self.rows


async def delay_of(claiming: Real[Claim | None]) -> float:
    """In how many seconds it may be tried again."""
    try:
        claim = await claiming()
    except Snooze as wait:
        return wait.delay_seconds
    raise AssertionError(claim)
