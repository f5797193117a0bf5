"""Fair share: owners take turns, and so do the jobs of each owner."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.commands.inputs import SceneBatch, SceneTarget
from coordinator.queue.port import Snooze
from coordinator.renders import claims, reconciler, turns
from coordinator.renders.claim import Claim, check
from models.db.tables import SCENE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.access import Viewer
from models.domain.lifecycle import SceneStatus
from models.writes.change import Ticket
from tests.support.database_choice import database_choice
from tests.support.postgres_processes import queue_for
from tests.support.recording_handler import RecordingHandler, running
from tests.support.recording_queue import RecordingQueue
from tests.support.shares import ALONE, BUSY, Shared, shared

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

ANN, BOB = (Viewer(id=name, name=name, roles=()) for name in ("ann", "bob"))
LEASE = timedelta(seconds=30)


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Shared]:
    async with shared(tmp_path) as env:
        yield env


async def test_scenes_of_two_owners_are_rendered_in_turn(env: Shared) -> None:
    """Ann queues thirty scenes and then Bob three: his alternate with her first three."""
    await env.a_job(ANN, "a", 30)
    await env.a_job(BOB, "b", 3)
    assert env.jobs_of(await env.rendered()) == " ".join(["a b"] * 3 + ["a"] * 27)


async def test_two_jobs_of_one_owner_are_rendered_in_turn(env: Shared) -> None:
    """The second does not wait for all of the first; each is rendered in play order."""
    await env.a_job(ANN, "a", 10)
    await env.a_job(ANN, "b", 4)
    held = await env.rendered()
    assert env.jobs_of(held) == " ".join(["a b"] * 4 + ["a"] * 6)
    assert [claim.prompt for claim in held if claim.prompt.startswith("b")] == [f"b {number}" for number in range(4)]


async def test_jobs_of_different_lengths_are_rendered_in_turn(env: Shared) -> None:
    """The turns of a job that is done go to the others."""
    for name, scenes in (("a", 5), ("b", 1), ("c", 3)):
        await env.a_job(ANN, name, scenes)
    assert env.jobs_of(await env.rendered()) == "a b c a c a c a a"


async def test_owners_take_turns_whatever_the_number_of_their_jobs(env: Shared) -> None:
    """Ann has three jobs, and Bob two: every second take is Bob's, and the jobs of each take turns."""
    for owner, name in ((ANN, "a1"), (ANN, "a2"), (ANN, "a3"), (BOB, "b1"), (BOB, "b2")):
        await env.a_job(owner, name, 3)
    assert env.jobs_of(await env.rendered()) == "a1 b1 a2 b2 a3 b1 a1 b2 a2 b1 a3 b2 a1 a2 a3"


async def test_canceled_and_regenerated_takes_give_no_extra_turns(env: Shared) -> None:
    """Their tickets are left in the queue, and are used for the owner whose turn it is."""
    await env.a_job(BOB, "b", 6)
    for _ in range(3):
        await env.world.jobs.cancel(ANN, await env.a_job(ANN, "canceled", 5))
    again = await env.a_job(ANN, "a", 6)
    for _ in range(3):
        await env.world.jobs.cancel(ANN, again)
        await env.world.batches.regenerate(ANN, SceneBatch(again, status=[SceneStatus.CANCELED]))
    assert env.jobs_of(await env.rendered()) == " ".join(["b a"] * 6)


async def test_takes_added_while_others_are_rendered_give_no_extra_turns(env: Shared) -> None:
    """Neither a new owner nor a new job catches up on the turns before."""
    await env.a_job(ANN, "a", 3)
    assert env.jobs_of(await env.rendered()) == "a a a"
    await env.a_job(BOB, "b", 4)
    await env.a_job(ANN, "c", 3)
    await env.a_job(ANN, "d", 2)
    assert env.jobs_of(await env.rendered()) == "c b d b c b d b c"


async def test_retry_waits_for_its_time_and_delays_no_other(env: Shared) -> None:
    """Takes of both jobs go on meanwhile; the retry follows when its pause is over."""
    first = await env.a_job(ANN, "a", 2)
    await env.a_job(ANN, "b", 2)
    held = await env.rendered(failures=1, backoff_seconds=600)
    assert env.jobs_of(held) == "a b a b"
    (scene, _) = (await env.world.job_state(first)).live
    assert (scene.status, scene.attempts, scene.take_number) == (SceneStatus.PENDING, 1, 2)
    retry = env.world.tickets[-1]
    assert retry.scene_id == scene.id
    with pytest.raises(Snooze) as snoozed:
        await turns.claim(env.world.store, retry, "worker", LEASE)
    assert 500 < snoozed.value.delay_seconds <= 600
    async with env.world.store.write() as connection:
        await connection.execute(sa.update(SCENE).values(next_attempt_at=SCENE.c.created_at))
    due = await turns.claim(env.world.store, retry, "worker", LEASE)
    assert due is not None
    assert (due.scene_id, due.take_number) == (scene.id, 2)


async def test_queue_positions_tell_the_order_of_the_claims(env: Shared) -> None:
    """Of all takes, also after turns were taken, for two owners with jobs of different lengths."""
    jobs = [
        await env.a_job(owner, name, scenes)
        for owner, name, scenes in ((ANN, "a", 5), (ANN, "b", 2), (BOB, "c", 3), (ANN, "d", 4), (BOB, "e", 1))
    ]
    for ticket in env.world.tickets[:3]:
        held = await turns.claim(env.world.store, ticket, "worker", LEASE)
        assert held is not None
        await claims.completed(env.world.store, held, {})
    places = await env.places(jobs)
    assert sorted(places.values()) == list(range(12))
    assert [claim.scene_id for claim in await env.rendered()] == sorted(places, key=lambda scene: places[scene])


async def test_ticket_handed_out_again_goes_on_with_its_render(env: Shared) -> None:
    """Under it the take of another ticket is rendered: it is not begun twice, and its own ticket serves another."""
    await env.a_job(ANN, "a", 3)
    first, second, third = env.world.tickets
    store = env.world.store
    held = await turns.claim(store, third, "one", LEASE)
    assert held is not None
    assert held.scene_id == first.scene_id
    with pytest.raises(Snooze) as snoozed:
        await turns.claim(store, third, "two", LEASE)
    assert 0 < snoozed.value.delay_seconds <= LEASE.total_seconds()
    other = await turns.claim(store, first, "two", LEASE)
    assert other is not None
    assert other.scene_id == second.scene_id
    assert await claims.release(store, held)
    taken = await turns.claim(store, third, "two", LEASE)
    assert taken is not None
    assert (taken.scene_id, taken.run, taken.fresh) == (held.scene_id, held.run + 2, False)
    last = await turns.claim(store, second, "three", LEASE)
    assert last is not None
    assert last.scene_id == third.scene_id


async def test_render_of_a_dead_worker_is_taken_over_by_the_ticket_of_its_take(env: Shared) -> None:
    """The ticket that it ran under may be lost."""
    await env.a_job(ANN, "a", 2)
    first, second = env.world.tickets
    store = env.world.store
    held = await turns.claim(store, second, "dead", timedelta(0))
    assert held is not None
    taken = await turns.claim(store, first, "next", timedelta(0))
    assert taken is not None
    assert (taken.scene_id, taken.run) == (held.scene_id, held.run + 1)
    other = await turns.claim(store, second, "next", timedelta(0))
    assert other is not None
    assert other.scene_id == second.scene_id


async def test_render_of_this_process_is_not_taken_over_by_the_ticket_of_its_take(env: Shared) -> None:
    """Without leases as well: the ticket is dropped when no other take waits."""
    await env.a_job(ANN, "a", 2)
    first, second = env.world.tickets
    store = env.world.store
    held = await turns.claim(store, second, "worker", timedelta(0))
    assert held is not None
    assert held.scene_id == first.scene_id
    await env.world.scenes.cancel(ANN, SceneTarget(second.scene_id))
    assert await turns.claim(store, first, "worker", timedelta(0)) is None
    await check(store, held)


async def test_takes_scheduled_by_an_earlier_program_are_rendered(env: Shared) -> None:
    """Without noted turns, a ticket serves its own take; the reconciler notes them and removes what is left over."""
    await env.a_job(ANN, "a", 3)
    job_id = await env.a_job(BOB, "b", 2)
    store = env.world.store
    async with store.write() as connection:
        await connection.execute(sa.delete(JOB_TURN))
        await connection.execute(sa.delete(OWNER_TURN))
        await connection.execute(sa.insert(OWNER_TURN).values(provider="gone", owner_id="ann", turn=1))
    held = await turns.claim(store, env.world.tickets[1], "worker", LEASE)
    assert held is not None
    assert held.scene_id == env.world.tickets[1].scene_id
    await claims.failed(store, held, BUSY, backoff_seconds=0)
    await reconciler.reconcile(store, RecordingQueue())
    async with store.read() as connection:
        owners = (await connection.execute(sa.select(OWNER_TURN.c.owner_id).order_by("owner_id"))).scalars().all()
        jobs = (await connection.execute(sa.select(JOB_TURN.c.job_id))).scalars().all()
    assert owners == ["ann", "bob"]
    assert len(jobs) == 2
    assert job_id in jobs
    assert sorted(env.jobs_of(await env.rendered()).split()) == ["a"] * 3 + ["b"] * 2


async def test_turns_are_kept_only_of_jobs_with_waiting_takes(env: Shared) -> None:
    """They end when the last take is claimed, or canceled."""
    rendered, canceled = await env.a_job(ANN, "a", 2), await env.a_job(ANN, "b", 2)

    async def jobs() -> list[str]:
        async with env.world.store.read() as connection:
            return sorted((await connection.execute(sa.select(JOB_TURN.c.job_id))).scalars())

    assert await jobs() == sorted([rendered, canceled])
    await env.world.jobs.cancel(ANN, canceled)
    assert await jobs() == [rendered]
    await env.rendered()
    assert await jobs() == []


async def test_two_workers_claim_each_take_once(env: Shared, tmp_path: Path) -> None:
    """At once; on Postgres in two processes. Neither owner is more than a take behind, nor a job of one."""
    for owner, name in ((ANN, "a1"), (ANN, "a2"), (BOB, "b")):
        await env.a_job(owner, name, 12 if owner is BOB else 6)
    held: list[Claim] = []

    async def render(ticket: Ticket) -> None:
        claim = await turns.claim(env.world.store, ticket, ticket.key, LEASE)
        assert claim is not None
        held.append(claim)
        await claims.completed(env.world.store, claim, {})

    handler = RecordingHandler(render)
    async with AsyncExitStack() as workers:
        if database_choice.distributed:
            for _ in range(2):
                queue = await workers.enter_async_context(queue_for(tmp_path, ALONE))
                await workers.enter_async_context(running(queue, handler))
        else:
            await workers.enter_async_context(running(env.queue, handler))
        await handler.until(lambda: len(held) == 24)
    assert len({claim.scene_id for claim in held}) == 24
    in_order = sorted(held, key=lambda claim: claim.started_at or datetime.max.replace(tzinfo=UTC))
    for count in range(24):
        served = Counter(env.names[claim.job_id] for claim in in_order[:count])
        # Claims that are made at once have no order.
        assert abs(served["a1"] + served["a2"] - served["b"]) <= 2
        assert abs(served["a1"] - served["a2"]) <= 2
