"""The rules of our own workers: claims and reports of renders, current and stale."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from coordinator.commands import scene_progress
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from models.writes.change import Ticket
from providers.port import Failure
from tests.any_order.env import CrashPoint
from tests.any_order.harness import HeldClaim, IssuedTicket, ModelCommand, RealCommand
from tests.any_order.model_scene import ModelScene
from tests.any_order.targets import Targets
from tests.any_order.trace import recorded
from tests.support.claiming import claim_ticket
from tests.support.domain import OURS

LONG_SECONDS = 3600.0
LONG_LEASE = timedelta(seconds=LONG_SECONDS)
CLIP = {"key": "clip.mp4", "content_type": "video/mp4"}
PICKS = st.integers(0, 30)
USUALLY, SELDOM = st.sampled_from([True, True, True, False]), st.sampled_from([False, False, False, True])
CRASHES = st.sampled_from([None, None, None, None, None, None, None, None, *CrashPoint])
PROVIDER_IDS = st.sampled_from(["p-1", "p-2"])
PERCENTAGES = st.sampled_from([0.0, 33.3, 50.0, 99.999, 100.0])
CALLS = st.sampled_from(
    ["claim", "claim", "submitted", "progress", "progress", "completed", "failed", "failed", "heartbeat"]
)


class RenderRules(Targets):
    """One rule with many calls: Hypothesis disables rules at random, and long chains need several calls."""

    @precondition(lambda self: self.tickets)
    @rule(
        call=CALLS,
        pick=PICKS,
        valid=USUALLY,
        percentage=PERCENTAGES,
        provider_id=PROVIDER_IDS,
        retryable=USUALLY,
        backoff_is_long=SELDOM,
        crash=CRASHES,
    )
    @recorded
    def report_render(
        self,
        call: str,
        pick: int = 0,
        valid: bool = True,
        percentage: float = 50.0,
        provider_id: str = "p-1",
        retryable: bool = True,
        backoff_is_long: bool = False,
        crash: CrashPoint | None = None,
    ) -> None:
        """A worker claims a ticket or reports a render. Without a claim yet, it claims."""
        if call == "claim" or not self.claims:
            self.claim(self.pick_ticket(pick, valid=valid), crash)
            return
        held = self.pick_claim(pick, valid=valid)
        failure = Failure("OUT_OF_PAPER", "No paper.", retryable=retryable)
        model, real = self._report(call, held, failure, provider_id, percentage, backoff_is_long=backoff_is_long)
        self.run(held.job, model, real, crash)
        if call == "heartbeat" and held.job.is_held(held.scene, held.claim):
            self.check_lease(held.scene, held.claim)

    # A second name makes Hypothesis choose the rule twice as often.
    report_render_again = report_render

    def _report(
        self,
        call: str,
        held: HeldClaim,
        failure: Failure,
        provider_id: str,
        percentage: float,
        *,
        backoff_is_long: bool,
    ) -> tuple[ModelCommand, RealCommand[None]]:
        job, scene, claim = held
        files = None
        if claim.source_url is not None:
            # As a render fails that has to fetch a clip: another attempt would cost the worker a render.
            failure, files = (
                Failure(failure.code, failure.message, retryable=failure.retryable, retries=0),
                {"output": None},
            )
        store, backoff = self.env.container.store, LONG_SECONDS if backoff_is_long else 0.0
        reports: dict[str, tuple[ModelCommand, RealCommand[None]]] = {
            "submitted": (
                lambda: job.submitted(scene, claim, provider_id),
                lambda: claims.submitted(store, claim, provider_id),
            ),
            "progress": (
                lambda: job.advanced(scene, claim, percentage),
                lambda: self._advance(claim, percentage),
            ),
            "completed": (
                lambda: job.completed(scene, claim),
                lambda: claims.completed(store, claim, clip_of(claim)),
            ),
            "failed": (
                lambda: job.failed(scene, claim, failure, backoff_is_long=backoff_is_long),
                lambda: claims.failed(store, claim, failure, backoff_seconds=backoff, files=files),
            ),
            "heartbeat": (
                lambda: job.heartbeat(scene, claim),
                lambda: claims.heartbeat(store, claim, LONG_LEASE),
            ),
        }
        return reports[call]

    def claim(self, issued: IssuedTicket, crash: CrashPoint | None) -> None:
        """Claim a ticket; a stale one is ignored, and one in backoff is snoozed."""
        job, scene, ticket = issued
        store = self.env.container.store
        if scene.take == ticket.take_number and scene.in_backoff and not scene.deleted:
            self.check_snoozed(lambda: claim_ticket(store, ticket, "worker"))
            return
        claimable = job.is_claimable(scene, ticket.take_number)
        model: Callable[[], Any] = (lambda: job.claim(scene)) if claimable else list
        claim = self.run(job, model, lambda: claim_ticket(store, ticket, "worker"), crash)
        assert (claim is not None) == (claimable and not self.killed)
        if claim is not None:
            assert (claim.take_number, claim.run) == (scene.take, scene.run)
            self.claims.append(HeldClaim(job, scene, claim))

    async def _advance(self, claim: Claim, percentage: float) -> None:
        async with self.env.container.store.write() as connection:
            take, run = claim.take_number, claim.run
            await scene_progress.advance(connection, claim.scene_id, take, run, percentage=percentage)

    def check_lease(self, scene: ModelScene, claim: Claim) -> None:
        """Another worker cannot take over a render with a heartbeat within the lease."""
        ticket = Ticket(OURS, claim.job_id, scene.id, scene.take)
        self.check_snoozed(lambda: claim_ticket(self.env.container.store, ticket, "another", LONG_LEASE))

    def check_snoozed(self, claim: RealCommand[Claim | None]) -> None:
        """The claim is snoozed, within the time that remains, and changes nothing."""
        assert 0 < self.runner.run(snooze_seconds(claim())) <= LONG_SECONDS
        assert self.env.rows() == self.rows


def clip_of(claim: Claim) -> dict[str, Any]:
    """Return the files of a completed take."""
    return {"output": CLIP if claim.source_url is None else CLIP | {"source_url": claim.source_url}}


async def snooze_seconds(claim: Coroutine[Any, Any, Claim | None]) -> float:
    """Return the delay with which a claim is snoozed."""
    try:
        claimed = await claim
    except Snooze as snooze:
        return snooze.delay_seconds
    raise AssertionError(claimed)
