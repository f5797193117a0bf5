"""Reads and changes cancelled at random turns of the event loop: each is whole or absent, and leaves nothing behind."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.db.engines import LISTS_AT_ONCE, MESSAGES_AT_ONCE, READERS
from models.db.snapshot import Snapshot
from models.db.statements import Statement, among
from models.db.tables import JOB
from models.domain.access import LOCAL
from tests.support.domain import Domain, domain
from tests.support.jobs import seeded
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

ROUNDS, AT_ONCE, LAST_TURN = 30, 10, 400


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


class Commands:
    """Commands on one job, and how many changes of it were acknowledged and cancelled."""

    def __init__(self, env: Domain, job_id: str, randomness: random.Random) -> None:
        self.acknowledged = self.cancelled = 0
        self.job_id = job_id
        self._env = env
        self._database = env.store.database
        self._randomness = randomness
        select = sa.select(JOB.c.version).where(among(self._database.kind, JOB.c.id, "ids"))
        self._version = Statement(self._database.kind, select)

    async def change(self) -> None:
        """Change a scene."""
        try:
            target = self._randomness.choice(await self._env.targets(self.job_id))
            await self._env.scenes.update(LOCAL, target, {"title": str(self._randomness.random())})
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.acknowledged += 1

    async def answer(self) -> None:
        """Read the version twice in one answer, on the driver's connection and through SQLAlchemy."""
        snapshot = Snapshot(self._database)
        turns = (None, self._database.list_turns, self._database.message_turns)
        async with snapshot.answering(self._randomness.choice(turns)):
            ((version,),) = await snapshot.fetch(self._version, {"ids": [self.job_id]})
            async with snapshot.read() as connection:
                query = sa.select(JOB.c.version).where(JOB.c.id == self.job_id)
                assert (await connection.execute(query)).scalar_one() == version

    async def read_alone(self) -> None:
        """Read the version outside an answer."""
        await self._database.fetch(self._version, {"ids": [self.job_id]})


async def run(command: Callable[[], Awaitable[None]], turns: int | None) -> None:
    """Run a command; cancel it after so many turns of the event loop."""
    task = asyncio.ensure_future(command())
    if turns is not None:
        while turns and not task.done():
            turns -= 1
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def test_random_cancellations_leave_whole_changes_and_no_connection(env: Domain) -> None:
    """Every acknowledged change is in the log, without gaps; all connections and turns are given back."""
    randomness = seeded("random cancellations")
    jobs = [Commands(env, await env.a_job(3), randomness) for _ in range(3)]
    for _ in range(ROUNDS):
        chosen = [randomness.choice(jobs) for _ in range(AT_ONCE)]
        commands = [randomness.choice([each.change, each.change, each.answer, each.read_alone]) for each in chosen]
        turns = [randomness.choice([None, randomness.randrange(LAST_TURN)]) for _ in commands]
        await asyncio.gather(*map(run, commands, turns))
    database = env.store.database
    await eventually(lambda: database.readers.in_use == 0)
    assert await free(database.readers.places) == READERS
    assert await free(database.list_turns) == LISTS_AT_ONCE
    assert await free(database.message_turns) == MESSAGES_AT_ONCE
    for each in jobs:
        state = await env.job_state(each.job_id)
        changes = state.job.version - 1
        assert each.acknowledged <= changes <= each.acknowledged + each.cancelled
        assert [event.version for event in state.log] == list(range(1, changes + 2))


async def free(turns: asyncio.Semaphore) -> int:
    """Return how often a semaphore can be acquired at once."""
    taken = 0
    while not turns.locked():
        await turns.acquire()
        taken += 1
    for _ in range(taken):
        turns.release()
    return taken
