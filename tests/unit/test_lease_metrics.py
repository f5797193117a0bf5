"""Which leases of workers count as lost."""

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from models.domain import ids
from models.writes.take_steps import State, TakeStep
from server.telemetry.work_metrics import WorkMetrics

WORKER = ids.new("worker")


@pytest.mark.parametrize(
    ("state", "code", "refunded", "outcome"),
    [
        (State.RETURNED, None, 0, "lost"),
        (State.RETURNED, None, 1, "released"),
        (State.FAILED, "WORKER_LOST", 0, "lost"),
        (State.FAILED, "OUT_OF_MEMORY", 0, "failed"),
    ],
)
def test_the_last_loss_of_a_take_counts_as_the_others(
    state: State, code: str | None, refunded: int, outcome: str
) -> None:
    """It fails the take as well."""
    registry = CollectorRegistry()
    step = TakeStep(state, "leased", "job", "scene", 1, datetime.now(UTC), worker=WORKER, code=code, refunded=refunded)
    WorkMetrics(registry).take(step)
    counted = {
        each: registry.get_sample_value("scenewire_leases_ended_total", {"outcome": each})
        for each in ("lost", "released", "failed")
    }
    assert counted == {"lost": None, "released": None, "failed": None} | {outcome: 1.0}
