"""Metrics of the background work: takes, leases, joins and webhooks."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from models.domain import ids
from models.domain.access import EXTERNAL, LEASED
from models.domain.leases import WORKER_LOST
from models.writes.take_steps import State, TakeStep

# Seconds. A local clip takes some, a hosted one minutes, and a queue may be hours long.
_TAKE_BUCKETS: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
_JOIN_BUCKETS: Final = (0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_WEBHOOK_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Workers outside the server may report any code.
MOST_CODES: Final = 50
OTHER: Final = "other"
# Providers whose renders the operator does not pay for by the clip.
_OWN: Final = frozenset({"local", "scripted", "comfyui", LEASED, EXTERNAL})
_ENDS: Final = frozenset({State.FINISHED, State.FAILED, State.CANCELED})
_LEASE_OUTCOMES: Final = {
    State.DELIVERED: "delivered",
    State.FINISHED: "finished",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
}


class WorkMetrics:
    """Counts and times what this process has committed; the sum over all processes is that of the deployment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._codes = set[str]()
        self._takes = Counter(
            "scenewire_takes",
            "Takes that have ended: finished, failed, retried (failed, and followed by another one) or canceled.",
            ["provider", "outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "scenewire_take_failures",
            "Takes that have failed, by code; codes above the first 50 count as other.",
            ["provider", "code"],
            registry=registry,
        )
        self._queued = Counter(
            "scenewire_takes_queued", "Takes that began to wait, retries included.", ["provider"], registry=registry
        )
        self._retries = Counter(
            "scenewire_take_retries", "Failed takes that were followed by another one.", ["provider"], registry=registry
        )
        self._waiting = Histogram(
            "scenewire_take_waiting_seconds",
            "How long takes waited before they were claimed.",
            ["provider"],
            buckets=_TAKE_BUCKETS,
            registry=registry,
        )
        self._rendering = Histogram(
            "scenewire_take_rendering_seconds",
            "How long takes were rendered, from the claim to the end.",
            ["provider", "outcome"],
            buckets=_TAKE_BUCKETS,
            registry=registry,
        )
        self._submitted = Counter(
            "scenewire_take_submissions", "Orders that a provider has accepted.", ["provider"], registry=registry
        )
        self._purchases = Counter(
            "scenewire_purchases",
            "Orders that a provider has accepted which charges for them: hosted ones, and those of other packages.",
            ["provider"],
            registry=registry,
        )
        self._cost = Counter(
            "scenewire_cost", "What providers said that clips cost.", ["provider", "currency"], registry=registry
        )
        self._taken_over = Counter(
            "scenewire_renders_taken_over",
            "Renders of this process that another one has taken over, because their lease was lost.",
            ["provider"],
            registry=registry,
        )
        self._granted = Counter("scenewire_leases_granted", "Takes that were leased to workers.", registry=registry)
        self._leases = Counter(
            "scenewire_leases_ended",
            "Leases of workers that ended: delivered, failed, released, lost or canceled.",
            ["outcome"],
            registry=registry,
        )
        self._joins = Histogram(
            "scenewire_join_seconds",
            "Attempts to join clips: done, outdated, failed, interrupted, or long (made again apart).",
            ["outcome"],
            buckets=_JOIN_BUCKETS,
            registry=registry,
        )
        self._deliveries = Histogram(
            "scenewire_webhook_attempt_seconds",
            "Attempts to deliver events to webhooks: accepted, or the kind of error.",
            ["outcome"],
            buckets=_WEBHOOK_BUCKETS,
            registry=registry,
        )

    def take(self, step: TakeStep) -> None:
        """Count a step of a take."""
        provider = step.provider
        if step.state is State.QUEUED:
            self._queued.labels(provider).inc()
        elif step.state is State.CLAIMED:
            if step.seconds is not None:
                self._waiting.labels(provider).observe(step.seconds)
        elif step.state is State.SUBMITTED:
            self._submitted.labels(provider).inc()
            if provider not in _OWN:
                self._purchases.labels(provider).inc()
        elif step.state in _ENDS:
            self._count_end(step)
        if provider == LEASED:
            self._count_lease(step)

    def _count_end(self, step: TakeStep) -> None:
        outcome = "retried" if step.retried else step.state.value
        self._takes.labels(step.provider, outcome).inc()
        if step.seconds is not None:
            self._rendering.labels(step.provider, outcome).observe(step.seconds)
        if step.retried:
            self._retries.labels(step.provider).inc()
        if step.code is not None:
            self._failures.labels(step.provider, self._known(step.code)).inc()
        if step.price is not None:
            self._cost.labels(step.provider, step.price.currency[:8]).inc(float(step.price.amount))

    def _count_lease(self, step: TakeStep) -> None:
        """Count leases; when a delivered clip is looked at, a process of ours has the take, and no lease ends."""
        if step.worker is None or not ids.is_id(step.worker, "worker"):
            if step.state is State.DELIVERED:
                self._leases.labels("delivered").inc()
            return
        if step.state is State.CLAIMED:
            self._granted.inc()
        elif step.state is State.RETURNED:
            self._leases.labels("released" if step.refunded else "lost").inc()
        elif step.code == WORKER_LOST:
            # The last loss of a take is its failure.
            self._leases.labels("lost").inc()
        elif step.state in _LEASE_OUTCOMES:
            self._leases.labels(_LEASE_OUTCOMES[step.state]).inc()

    def taken_over(self, provider: str) -> None:
        """Count a render that another process has taken over."""
        self._taken_over.labels(provider).inc()

    def joined(self, outcome: str, seconds: float) -> None:
        """Count an attempt to join clips."""
        self._joins.labels(outcome).observe(seconds)

    def delivered(self, outcome: str, seconds: float) -> None:
        """Count an attempt to deliver an event to a webhook."""
        self._deliveries.labels(outcome).observe(seconds)

    def _known(self, code: str) -> str:
        """Return the code, or `other` for one above the first of them: each is a time series of its own."""
        if code not in self._codes:
            if len(self._codes) >= MOST_CODES:
                return OTHER
            self._codes.add(code)
        return code
