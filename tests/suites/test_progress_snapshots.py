"""The progress of a job as it is read from the database."""

from pathlib import Path

import pytest

from coordinator.commands import scene_progress
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from models.domain.progress import ProgressSnapshot
from providers.port import Failure
from tests.support.claiming import claim_ticket
from tests.support.domain import Domain, domain

pytestmark = pytest.mark.usefixtures("database")


async def a_claim(env: Domain) -> Claim:
    """Claim the scene of the newest ticket."""
    claim = await claim_ticket(env.store, env.tickets[-1], "worker")
    assert claim is not None
    return claim


async def progress_after(env: Domain, held: Claim, percentage: float) -> ProgressSnapshot:
    """Advance the take, and return the progress of its job."""
    async with env.store.write() as connection:
        await scene_progress.advance(connection, held.scene_id, held.take_number, held.run, percentage=percentage)
    return (await env.job_state(held.job_id)).progress


async def test_retry_that_advances_below_the_high_water_changes_the_snapshot(tmp_path: Path) -> None:
    """A stream then sends the new ETA, although the percentage of the job stays."""
    async with domain(tmp_path) as env:
        await env.a_job(1, start=True)
        held = await a_claim(env)
        assert (await progress_after(env, held, 80.0)).percentage == 80.0
        await claims.failed(env.store, held, Failure("BUSY", "Try again.", retryable=True), backoff_seconds=0.0)
        assert (await env.job_state(held.job_id)).progress.under_way == 0.0
        retry = await a_claim(env)
        before, after = [await progress_after(env, retry, percentage) for percentage in (10.0, 20.0)]
    assert (before.percentage, before.under_way) == (80.0, 10.0)
    assert (after.percentage, after.under_way) == (80.0, 20.0)
    assert before != after
