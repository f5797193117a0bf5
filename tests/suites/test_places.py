"""The places of waiting takes, compared with those of a queue in which every take is numbered, one round at a time."""

import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.db.tables import JOB, SCENE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.lifecycle import SceneStatus
from models.reads import eta, places
from tests.support.domain import EXTERNAL, OURS, Domain, domain
from tests.support.jobs import seeded
from tests.support.many_waiting import add_waiting
from tests.support.statements import recorded_reads

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

OTHER = "another"
OWNERS = ["ann", "bob", "cid", "dan"]
WORLDS = 4


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        await env.a_job(2, start=True)
        yield env


class Queue:
    """All waiting takes of a database, numbered."""

    def __init__(self, rows: list[Any]) -> None:
        self._takes: defaultdict[str, list[str]] = defaultdict(list)
        self.job_of: dict[str, str] = {}
        lines: defaultdict[str, defaultdict[tuple[int, str], set[tuple[int, str]]]]
        lines = defaultdict(lambda: defaultdict(set))
        for row in rows:
            self._takes[row.job_id].append(row.id)
            self.job_of[row.id] = row.job_id
            lines[row.provider][row.owner_turn, row.owner_id].add((row.job_turn, row.job_id))
        self.places = {scene_id: place for line in lines.values() for place, scene_id in enumerate(self._served(line))}

    def ahead(self, job_id: str) -> int:
        """Return the number of takes up to the last one of the job; 0 when none waits."""
        return max((place + 1 for scene_id, place in self.places.items() if self.job_of[scene_id] == job_id), default=0)

    def _served(self, owners: dict[tuple[int, str], set[tuple[int, str]]]) -> Iterator[str]:
        """Yield the takes of a provider in the order of their claims."""
        lines = [self._of_owner(sorted(jobs)) for _, jobs in sorted(owners.items())]
        while lines:
            for line in list(lines):
                scene_id = next(line, None)
                if scene_id is None:
                    lines.remove(line)
                else:
                    yield scene_id

    def _of_owner(self, jobs: list[tuple[int, str]]) -> Iterator[str]:
        for number in range(max(len(self._takes[job_id]) for _, job_id in jobs)):
            yield from (self._takes[job_id][number] for _, job_id in jobs if number < len(self._takes[job_id]))


async def numbered(env: Domain) -> Queue:
    """Read all that waits."""
    turns = JOB.join(JOB_TURN, JOB_TURN.c.job_id == JOB.c.id).join(
        OWNER_TURN, (OWNER_TURN.c.provider == JOB.c.provider) & (OWNER_TURN.c.owner_id == JOB.c.owner_id)
    )
    query = (
        sa.select(SCENE.c.id, SCENE.c.job_id, JOB.c.provider, JOB.c.owner_id)
        .add_columns(JOB_TURN.c.turn.label("job_turn"), OWNER_TURN.c.turn.label("owner_turn"))
        .select_from(SCENE.join(turns, JOB.c.id == SCENE.c.job_id))
        .where(SCENE.c.status == SceneStatus.PENDING, SCENE.c.queued_at.is_not(None), SCENE.c.deleted_at.is_(None))
        .order_by(SCENE.c.queued_at, SCENE.c.position, SCENE.c.id)
    )
    async with env.store.read() as connection:
        return Queue(list(await connection.execute(query)))


async def fill(env: Domain, randomness: random.Random) -> None:
    """Make jobs of several owners and providers with random turns, in some of which scenes do not wait."""
    for owner_id in OWNERS:
        for jobs in range(randomness.randint(0, 3)):
            scenes = randomness.choice([1, 2, 5])
            await add_waiting(
                env, f"{owner_id} {jobs}", randomness.randint(1, 4), scenes, turn=randomness.randint(1, 9)
            )
    async with env.store.write() as connection:
        for job_id, owner_id in list(await connection.execute(sa.select(JOB.c.id, JOB.c.owner_id))):
            # Few owners with many jobs, of two providers.
            owner, provider = owner_id.split()[0], randomness.choice([OURS, OURS, OTHER])
            for table, key in ((JOB, JOB.c.id), (JOB_TURN, JOB_TURN.c.job_id)):
                where = sa.update(table).where(key == job_id)
                await connection.execute(where.values(owner_id=owner, provider=provider))
            await connection.execute(
                sa.update(JOB_TURN).where(JOB_TURN.c.job_id == job_id).values(turn=randomness.randint(1, 4))
            )
        await _take_some(connection, randomness)
        await connection.execute(sa.delete(OWNER_TURN))
        owners = list(await connection.execute(sa.select(JOB.c.provider, JOB.c.owner_id).distinct()))
        await connection.execute(
            sa.insert(OWNER_TURN),
            [
                {"provider": provider, "owner_id": owner_id, "turn": randomness.randint(1, 3)}
                for provider, owner_id in owners
            ],
        )


async def _take_some(connection: Any, randomness: random.Random) -> None:
    """Let some scenes not wait: they are rendered, or deleted."""
    waiting = (SCENE.c.status == SceneStatus.PENDING) & SCENE.c.deleted_at.is_(None)
    for scene_id, job_id in list(await connection.execute(sa.select(SCENE.c.id, SCENE.c.job_id).where(waiting))):
        queued_at = sa.select(sa.func.max(SCENE.c.queued_at)).scalar_subquery()
        values: dict[str, Any] = {"queued_at": queued_at} if randomness.random() < 0.5 else {}
        if randomness.random() < 0.2:
            values = randomness.choice(
                [{"status": SceneStatus.PROCESSING, "queued_at": None}, {"deleted_at": SCENE.c.created_at}]
            )
            await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(pending=JOB.c.pending - 1))
        if values:
            await connection.execute(sa.update(SCENE).where(SCENE.c.id == scene_id).values(**values))
    none_left = sa.select(JOB.c.id).where(JOB.c.pending == 0)
    await connection.execute(sa.delete(JOB_TURN).where(JOB_TURN.c.job_id.in_(none_left)))


async def all_ids(env: Domain, table: sa.Table) -> list[str]:
    async with env.store.read() as connection:
        return sorted((await connection.execute(sa.select(table.c.id))).scalars())


async def test_places_are_those_of_a_queue_in_which_every_take_is_numbered(env: Domain) -> None:
    """For random lines, and whatever is asked for: one take, some, or all of them; also the takes ahead of jobs."""
    randomness, asked = seeded("places"), 0
    for _ in range(WORLDS):
        await fill(env, randomness)
        queue = await numbered(env)
        scenes, jobs = await all_ids(env, SCENE), await all_ids(env, JOB)
        for number in (1, 3, len(scenes)):
            some = randomness.sample(scenes, min(number, len(scenes)))
            of_jobs = randomness.sample(jobs, min(number, len(jobs)))
            async with env.store.read() as connection:
                found = await places.of_scenes(connection, some)
                inputs = await eta.eta_inputs(connection, of_jobs)
            assert found == {scene_id: queue.places[scene_id] for scene_id in some if scene_id in queue.places}
            assert {job_id: each.ahead for job_id, each in inputs.items()} == {
                job_id: queue.ahead(job_id) for job_id in of_jobs
            }
            asked += len(found)
    assert asked > WORLDS


async def test_take_whose_turn_is_not_noted_is_the_last(env: Domain) -> None:
    """Scheduled by an earlier program; the turns of both its job and its owner are missing."""
    first, last = [scene.id for scene in (await env.job_state(await env.a_job(2, start=True))).live]
    async with env.store.write() as connection:
        await connection.execute(sa.delete(JOB_TURN).where(JOB_TURN.c.job_id != ""))
        await connection.execute(sa.delete(OWNER_TURN))
    await add_waiting(env, "ann", 2, 3)
    async with env.store.read() as connection:
        # In each round the take of ann comes first: two of hers are before the second.
        assert await places.of_scenes(connection, [first, last]) == {first: 1, last: 3}


async def test_scenes_that_do_not_wait_have_no_place(env: Domain) -> None:
    """Of a job that was not started, and of an external one."""
    jobs = [await env.a_job(), await env.a_job(start=True, provider=EXTERNAL)]
    ids = [scene.id for job_id in jobs for scene in (await env.job_state(job_id)).live]
    async with env.store.read() as connection:
        assert await places.of_scenes(connection, ids) == {}
        assert await places.takes_ahead(connection, jobs) == {}


async def test_number_of_statements_does_not_depend_on_what_is_asked_for(env: Domain) -> None:
    """Two read the places, however many takes and jobs there are."""
    await add_waiting(env, "ann", 20, 3)
    scenes = await all_ids(env, SCENE)
    for asked in (scenes[:1], scenes):
        async with recorded_reads(env.store.database) as texts, env.store.read() as connection:
            await places.of_scenes(connection, asked)
        assert len([text for text in texts if text.startswith("WITH asked")]) == 2, texts
