"""Shares of owners and jobs under random arrivals, cancellations, regenerations and failures."""

import random
from collections.abc import AsyncGenerator, Sequence
from itertools import combinations
from pathlib import Path

import pytest

from coordinator.commands.inputs import SceneBatch
from coordinator.renders import claims, turns
from coordinator.renders.claims import NO_LEASE
from models.domain.access import Viewer
from models.domain.lifecycle import OPEN, SceneStatus
from tests.support.jobs import seeded
from tests.support.property_settings import scaled
from tests.support.shares import BUSY, Shared, shared

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

OWNERS = [Viewer(id=name, name=name, roles=()) for name in ("ann", "bob", "cid")]
CLAIMS = scaled(60)
MOST_JOBS = 12


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Shared]:
    async with shared(tmp_path) as env:
        yield env


class Shares:
    """How many takes of each member were claimed, for each two while takes of both waited."""

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str], list[int]] = {}

    def waiting(self, members: Sequence[str]) -> None:
        """Note the members with waiting takes: two of which one had none begin again."""
        pairs = set(combinations(sorted(members), 2))
        self._claims = {pair: self._claims.get(pair, [0, 0]) for pair in pairs}

    def claimed(self, member: str) -> None:
        """Note a claim. Raises AssertionError when one of two had two more than the other."""
        for pair, counts in self._claims.items():
            if member in pair:
                counts[pair.index(member)] += 1
            assert abs(counts[0] - counts[1]) <= 1, (pair, counts)


class Arrivals:
    """Random changes of the jobs of several owners."""

    def __init__(self, env: Shared, randomness: random.Random) -> None:
        self._env = env
        self._random = randomness
        self.jobs: list[tuple[Viewer, str]] = []

    async def change(self) -> None:
        """Start a job, or cancel or regenerate the scenes of one."""
        if len(self.jobs) < MOST_JOBS and (not self.jobs or self._random.random() < 0.4):
            owner, scenes = self._random.choice(OWNERS), self._random.randint(1, 8)
            self.jobs.append((owner, await self._env.a_job(owner, f"job {len(self.jobs)}", scenes)))
            return
        owner, job_id = self._random.choice(self.jobs)
        scenes = (await self._env.world.job_state(job_id)).live
        picked = [scene for scene in scenes if self._random.random() < 0.6]
        if self._random.random() < 0.4:
            ids = [scene.id for scene in picked if scene.status in OPEN]
            if ids:
                await self._env.world.batches.cancel(owner, SceneBatch(job_id, ids))
        else:
            ids = [scene.id for scene in picked if scene.status not in OPEN]
            if ids:
                await self._env.world.batches.regenerate(owner, SceneBatch(job_id, ids))

    async def waiting(self) -> list[tuple[str, str, str]]:
        """Return the owner, the job and the id of each waiting scene."""
        return [
            (owner.id, job_id, scene.id)
            for owner, job_id in self.jobs
            for scene in (await self._env.world.job_state(job_id)).live
            if scene.status is SceneStatus.PENDING
        ]


async def test_no_take_starves_and_shares_differ_by_one_at_most(env: Shared) -> None:
    """Of two owners, and of two jobs of one owner, while takes of both wait; positions predict each claim."""
    randomness = seeded("random shares")
    arrivals, owners, jobs = Arrivals(env, randomness), Shares(), {owner.id: Shares() for owner in OWNERS}
    used, claimed = 0, 0
    while claimed < CLAIMS:
        if randomness.random() < 0.35:
            await arrivals.change()
        waiting = await arrivals.waiting()
        owners.waiting(sorted({owner for owner, _, _ in waiting}))
        for owner in OWNERS:
            jobs[owner.id].waiting(sorted({job_id for owner_id, job_id, _ in waiting if owner_id == owner.id}))
        if used == len(env.world.tickets):
            assert not waiting
            continue
        places = await env.places([job_id for _, job_id in arrivals.jobs])
        assert sorted(places.values()) == list(range(len(waiting)))
        held = await turns.claim(env.world.store, env.world.tickets[used], "worker", NO_LEASE)
        used += 1
        assert (held is None) == (not waiting)
        if held is None:
            continue
        claimed += 1
        assert places[held.scene_id] == 0
        (owner_id,) = {owner for owner, _, scene_id in waiting if scene_id == held.scene_id}
        owners.claimed(owner_id)
        jobs[owner_id].claimed(held.job_id)
        if randomness.random() < 0.2:
            await claims.failed(env.world.store, held, BUSY, backoff_seconds=0)
        else:
            await claims.completed(env.world.store, held, {})
    left = len(await arrivals.waiting())
    assert len(await env.rendered()) == left
    assert not await arrivals.waiting()
