"""Whoever lost the right to render a scene, in whatever way, changes nothing any more, whatever they say."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.commands import scene_progress
from coordinator.commands.inputs import SceneTarget
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.claims import Claim
from models.domain.access import LOCAL
from models.domain.lifecycle import SceneStatus
from providers.port import Failure
from tests.support.domain import Domain, domain

Loss = Callable[[Domain, Claim], Awaitable[None]]
Report = Callable[[Domain, Claim], Awaitable[None]]

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

CLIP = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}}
RETRYABLE = Failure("BUSY", "Try again.", retryable=True)
FINAL = Failure("REFUSED", "Not this prompt.", retryable=False)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as world:
        yield world


async def a_claim(world: Domain, *, ticket: int = -1) -> Claim:
    """Claim the scene of one of the tickets that were given out."""
    claim = await claims.claim(world.store, world.tickets[ticket], "worker")
    assert claim is not None
    return claim


async def canceled(world: Domain, held: Claim) -> None:
    await world.scenes.cancel(LOCAL, SceneTarget(held.scene_id))


async def job_canceled(world: Domain, held: Claim) -> None:
    await world.jobs.cancel(LOCAL, held.job_id)


async def deleted(world: Domain, held: Claim) -> None:
    await canceled(world, held)
    await world.scenes.delete(LOCAL, SceneTarget(held.scene_id))


async def reported(world: Domain, held: Claim) -> None:
    await world.scenes.update(LOCAL, SceneTarget(held.scene_id), {"status": SceneStatus.COMPLETED})


async def regenerated(world: Domain, held: Claim) -> None:
    await canceled(world, held)
    await world.scenes.regenerate(LOCAL, SceneTarget(held.scene_id))


async def regenerated_and_claimed(world: Domain, held: Claim) -> None:
    await regenerated(world, held)
    await a_claim(world)


async def regenerated_and_reported(world: Domain, held: Claim) -> None:
    """Render it elsewhere: the scene is processing and has the same run, but another take."""
    await regenerated(world, held)
    await world.scenes.update(LOCAL, SceneTarget(held.scene_id), {"status": SceneStatus.PROCESSING})


async def taken_over(world: Domain, held: Claim) -> None:
    """Go on with the same take by another worker."""
    assert await a_claim(world) == held._replace(run=held.run + 1)


async def retried(world: Domain, held: Claim) -> None:
    """Fail by the claim itself, so that it is heard twice of the same take."""
    await claims.failed(world.store, held, RETRYABLE, backoff_seconds=0)


async def completed(world: Domain, held: Claim) -> None:
    await claims.completed(world.store, held, CLIP)


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


async def submit(world: Domain, held: Claim) -> None:
    await claims.submitted(world.store, held, "late-1")


async def advance(world: Domain, held: Claim) -> None:
    async with world.store.write() as connection:
        await scene_progress.advance(connection, held.scene_id, held.take_number, held.run, percentage=99.0, frame=9)


async def complete(world: Domain, held: Claim) -> None:
    await claims.completed(world.store, held, CLIP)


async def fail(world: Domain, held: Claim) -> None:
    await claims.failed(world.store, held, FINAL, backoff_seconds=0)


async def fail_retryably(world: Domain, held: Claim) -> None:
    await claims.failed(world.store, held, RETRYABLE, backoff_seconds=0)


async def beat(world: Domain, held: Claim) -> None:
    await claims.heartbeat(world.store, held, timedelta(0))


async def look(world: Domain, held: Claim) -> None:
    await claims.check(world.store, held)


REPORTS: list[Report] = [submit, advance, complete, fail, fail_retryably, beat, look]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.__name__)
@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
async def test_a_late_report_changes_nothing(world: Domain, lose: Loss, report: Report) -> None:
    """Not a row, and nobody is told of anything."""
    await world.a_job(start=True)
    held = await a_claim(world)
    await lose(world, held)
    before, announced = world.dump(), len(world.committed)
    with pytest.raises(Fenced):
        await report(world, held)
    assert world.dump() == before
    assert len(world.committed) == announced


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.__name__)
async def test_who_holds_the_right_is_heard(world: Domain, report: Report) -> None:
    """The same words in time are accepted."""
    await world.a_job(start=True)
    held = await a_claim(world)
    before = world.dump()
    await report(world, held)
    assert (world.dump() == before) == (report is look)


async def test_a_worker_that_was_overtaken_by_another_knows(world: Domain) -> None:
    """What the provider makes for it is still wanted then, and must not be canceled there."""
    await world.a_job(start=True)
    held = await a_claim(world)
    await taken_over(world, held)
    for report in (beat, look):
        with pytest.raises(TakenOver):
            await report(world, held)


@pytest.mark.parametrize("lose", [canceled, deleted, reported, regenerated, regenerated_and_claimed, completed])
async def test_a_render_that_nobody_wants_is_not_taken_over(world: Domain, lose: Loss) -> None:
    """Whoever is told that it goes on elsewhere could leave a paid render running for nobody."""
    await world.a_job(start=True)
    held = await a_claim(world)
    await lose(world, held)
    for report in (beat, look):
        with pytest.raises(Fenced) as fenced:
            await report(world, held)
        assert not isinstance(fenced.value, TakenOver)


@pytest.mark.parametrize("lose", [canceled, job_canceled, deleted, reported, regenerated, retried, completed])
async def test_a_ticket_of_what_is_done_with_claims_nothing(world: Domain, lose: Loss) -> None:
    """A ticket may come back any time; it is worth what the scene's row says."""
    await world.a_job(start=True)
    first = world.tickets[-1]
    await lose(world, await a_claim(world))
    before = world.dump()
    assert await claims.claim(world.store, first, "worker") is None
    assert world.dump() == before


async def test_a_retry_waits_for_its_time(world: Domain) -> None:
    """The ticket is seen again when the backoff is over."""
    await world.a_job(start=True)
    await claims.failed(world.store, await a_claim(world), RETRYABLE, backoff_seconds=60)
    before = world.dump()
    with pytest.raises(Snooze) as wait:
        await claims.claim(world.store, world.tickets[-1], "worker")
    assert 59 < wait.value.delay_seconds <= 60
    assert world.dump() == before


async def test_a_scene_of_a_job_that_was_not_started_is_not_claimed(world: Domain) -> None:
    """A storyboard is edited in peace, even if somebody finds a ticket."""
    job_id = await world.a_job()
    (target,) = await world.targets(job_id)
    await world.a_job(start=True)
    forged = world.tickets[-1]._replace(job_id=job_id, scene_id=target.scene_id)
    assert await claims.claim(world.store, forged, "worker") is None
