"""A render that lost its claim, by whatever event, changes nothing with any of its writes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.bus.port import LocalBus
from coordinator.commands import scene_progress
from coordinator.commands.inputs import SceneTarget
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.adoptions import Adoptions
from coordinator.renders.claim import Claim, check
from coordinator.renders.deps import RenderDeps
from coordinator.renders.inspections import Inspections
from coordinator.renders.limits import Limits
from coordinator.renders.pool import Renders, RunningRenders
from coordinator.storage.media import MediaStore
from coordinator.webhooks.http_client import HttpClient, Policy
from models.domain.access import LOCAL
from models.domain.lifecycle import SceneStatus
from providers.port import Failure
from tests.support.claiming import claim_ticket
from tests.support.domain import Domain, domain

Loss = Callable[[Domain, Claim], Awaitable[None]]
Report = Callable[[Domain, Claim], Awaitable[None]]

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

CLIP = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
RETRYABLE = Failure("BUSY", "Try again.", retryable=True)
FINAL = Failure("REFUSED", "Not this prompt.", retryable=False)


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def a_claim(env: Domain, *, ticket: int = -1) -> Claim:
    """Claim the scene of one of the tickets so far."""
    claim = await claim_ticket(env.store, env.tickets[ticket], "worker")
    assert claim is not None
    return claim


async def canceled(env: Domain, held: Claim) -> None:
    await env.scenes.cancel(LOCAL, SceneTarget(held.scene_id))


async def job_canceled(env: Domain, held: Claim) -> None:
    await env.jobs.cancel(LOCAL, held.job_id)


async def deleted(env: Domain, held: Claim) -> None:
    await canceled(env, held)
    await env.scenes.delete(LOCAL, SceneTarget(held.scene_id))


async def reported(env: Domain, held: Claim) -> None:
    await env.scenes.update(LOCAL, SceneTarget(held.scene_id), {"status": SceneStatus.COMPLETED})


async def regenerated(env: Domain, held: Claim) -> None:
    await canceled(env, held)
    await env.scenes.regenerate(LOCAL, SceneTarget(held.scene_id))


async def regenerated_and_claimed(env: Domain, held: Claim) -> None:
    await regenerated(env, held)
    await a_claim(env)


async def regenerated_and_reported(env: Domain, held: Claim) -> None:
    """Report on the new take as an external worker: the scene is processing with the same run, but another take."""
    await regenerated(env, held)
    await env.scenes.update(LOCAL, SceneTarget(held.scene_id), {"status": SceneStatus.PROCESSING})


async def taken_over(env: Domain, held: Claim) -> None:
    """Let another worker take the same take over."""
    assert await a_claim(env) == held._replace(run=held.run + 1, fresh=False)


async def retried(env: Domain, held: Claim) -> None:
    """Fail by the claim itself, so that a second report of the same take is late."""
    await claims.failed(env.store, held, RETRYABLE, backoff_seconds=0)


async def completed(env: Domain, held: Claim) -> None:
    await claims.completed(env.store, held, CLIP)


LOSSES: list[Loss] = [
    canceled,
    job_canceled,
    deleted,
    reported,
    regenerated,
    regenerated_and_claimed,
    regenerated_and_reported,
    taken_over,
    retried,
    completed,
]


async def submit(env: Domain, held: Claim) -> None:
    await claims.submitted(env.store, held, "late-1")


async def advance(env: Domain, held: Claim) -> None:
    async with env.store.write() as connection:
        await scene_progress.advance(connection, held.scene_id, held.take_number, held.run, percentage=99.0, frame=9)


async def complete(env: Domain, held: Claim) -> None:
    await claims.completed(env.store, held, CLIP)


async def fail(env: Domain, held: Claim) -> None:
    await claims.failed(env.store, held, FINAL, backoff_seconds=0)


async def fail_retryably(env: Domain, held: Claim) -> None:
    await claims.failed(env.store, held, RETRYABLE, backoff_seconds=0)


async def beat(env: Domain, held: Claim) -> None:
    await claims.heartbeat(env.store, held, timedelta(0))


async def look(env: Domain, held: Claim) -> None:
    await check(env.store, held)


REPORTS: list[Report] = [submit, advance, complete, fail, fail_retryably, beat, look]
# Every loss and every write in a few pairs, the others in runs with full effort.
PAIRS = [
    pytest.param(lose, report, marks=() if (m - n) % len(LOSSES) in (0, 7) else pytest.mark.thorough)
    for m, lose in enumerate(LOSSES)
    for n, report in enumerate(REPORTS)
]


@pytest.mark.parametrize(("lose", "report"), PAIRS, ids=lambda each: each.__name__)
async def test_write_of_a_render_without_its_claim_is_fenced(env: Domain, lose: Loss, report: Report) -> None:
    """It raises Fenced, writes no row, and commits nothing that would be reported."""
    await env.a_job(start=True)
    held = await a_claim(env)
    await lose(env, held)
    before, announced = env.dump(), len(env.committed)
    with pytest.raises(Fenced):
        await report(env, held)
    assert env.dump() == before
    assert len(env.committed) == announced


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.__name__)
async def test_write_of_a_render_with_its_claim_is_accepted(env: Domain, report: Report) -> None:
    """The same writes, while the claim holds."""
    await env.a_job(start=True)
    held = await a_claim(env)
    before = env.dump()
    await report(env, held)
    assert (env.dump() == before) == (report is look)


async def test_render_that_was_taken_over_raises_taken_over(env: Domain) -> None:
    """The order at the provider is still needed then, and must not be canceled there."""
    await env.a_job(start=True)
    held = await a_claim(env)
    await taken_over(env, held)
    for report in (beat, look):
        with pytest.raises(TakenOver):
            await report(env, held)


@pytest.mark.parametrize("lose", [canceled, deleted, reported, regenerated, regenerated_and_claimed, completed])
async def test_render_of_a_superseded_take_does_not_raise_taken_over(env: Domain, lose: Loss) -> None:
    """TakenOver would leave a paid order running at the provider that no worker needs."""
    await env.a_job(start=True)
    held = await a_claim(env)
    await lose(env, held)
    for report in (beat, look):
        with pytest.raises(Fenced) as fenced:
            await report(env, held)
        assert not isinstance(fenced.value, TakenOver)


async def test_released_render_is_fenced_and_can_be_claimed_at_once(env: Domain) -> None:
    """The lease is that of a worker that stops; without the release the next one would wait for its end."""
    await env.a_job(1, start=True)
    lease = timedelta(hours=1)
    held = await claim_ticket(env.store, env.tickets[-1], "first", lease)
    assert held is not None
    assert await claims.release(env.store, held)
    with pytest.raises(TakenOver):
        await claims.heartbeat(env.store, held, lease)
    taken = await claim_ticket(env.store, env.tickets[-1], "second", lease)
    assert taken is not None
    assert (taken.take_id, taken.run > held.run) == (held.take_id, True)
    assert not await claims.release(env.store, held)


@pytest.mark.parametrize("lose", [canceled, job_canceled, deleted, reported, regenerated, retried, completed])
async def test_ticket_of_a_finished_take_claims_nothing(env: Domain, lose: Loss) -> None:
    """The queue may hand a ticket out again at any time; the row of the scene decides."""
    await env.a_job(start=True)
    first = env.tickets[-1]
    await lose(env, await a_claim(env))
    before = env.dump()
    assert await claim_ticket(env.store, first, "worker") is None
    assert env.dump() == before


async def test_ticket_of_a_retry_is_snoozed_until_the_backoff_is_over(env: Domain) -> None:
    """It claims nothing before."""
    await env.a_job(start=True)
    await claims.failed(env.store, await a_claim(env), RETRYABLE, backoff_seconds=60)
    before = env.dump()
    with pytest.raises(Snooze) as wait:
        await claim_ticket(env.store, env.tickets[-1], "worker")
    assert 59 < wait.value.delay_seconds <= 60
    assert env.dump() == before


async def test_scene_of_a_draft_is_not_claimed(env: Domain) -> None:
    """Not even by a forged ticket."""
    job_id = await env.a_job()
    (target,) = await env.targets(job_id)
    await env.a_job(start=True)
    forged = env.tickets[-1]._replace(job_id=job_id, scene_id=target.scene_id)
    assert await claim_ticket(env.store, forged, "worker") is None


async def test_claim_that_commits_during_a_cancellation_is_released(
    env: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a server stops while it claims: the next worker need not wait for the end of the lease."""
    await env.a_job(1, start=True)
    lease = timedelta(hours=1)
    entered, proceed = asyncio.Event(), asyncio.Event()
    claim = claims.claim

    async def slow_claim(*arguments: Any) -> Claim | None:
        entered.set()
        await proceed.wait()
        return await claim(*arguments)

    monkeypatch.setattr(claims, "claim", slow_claim)
    media = MediaStore(str(env.folder / "media"))
    deps = RenderDeps(
        env.store, LocalBus(), media, {}, Inspections(), Adoptions(HttpClient(Policy())), Limits(), lease=lease
    )
    handling = asyncio.create_task(Renders(deps, RunningRenders()).handle(env.tickets[-1]))
    await entered.wait()
    handling.cancel()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await handling
    monkeypatch.undo()
    taken = await claim_ticket(env.store, env.tickets[-1], "next", lease)
    assert taken is not None
    assert taken.run > 1
