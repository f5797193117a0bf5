"""The statements of write transactions: how many each mutation executes, and that they do not grow with its size."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from coordinator.commands.inputs import NewJob, NewScene, SceneBatch
from models.domain.access import LOCAL
from models.domain.lifecycle import SceneStatus
from tests.support.domain import EXTERNAL, OURS, Domain, domain
from tests.support.statements import recorded

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def count(env: Domain, command: Awaitable[object]) -> int:
    """Return the number of statements of a command, those that begin and end its transaction included."""
    async with recorded(env.store.database) as texts:
        await command
    print(len(texts), *texts, sep="\n  ")  # noqa: T201 # shown when the test fails
    return len(texts)


def new_job(scenes: int, *, start: bool = False, key: str | None = None) -> NewJob:
    return NewJob("A job", [NewScene(f"prompt {n}") for n in range(scenes)], OURS, start=start, idempotency_key=key)


async def test_update_of_a_scene_has_at_most_seven_statements(env: Domain) -> None:
    """On SQLite: begin, job and scene, webhooks, event, scene, job, commit; on Postgres four round trips."""
    (target,) = await env.targets(await env.a_job())
    await env.scenes.update(LOCAL, target, {"title": "Warm"})
    most = 7 if env.store.database.embedded else 4
    assert await count(env, env.scenes.update(LOCAL, target, {"title": "A title"})) == most
    assert await count(env, env.scenes.update(LOCAL, target, {"metadata": {"a": 1}, "prompt": "b"})) == most


async def test_update_of_a_scene_writes_only_what_changed(env: Domain) -> None:
    """The columns of the scene and of the job that keep their values are not written."""
    (target,) = await env.targets(await env.a_job())
    async with recorded(env.store.database) as texts:
        await env.scenes.update(LOCAL, target, {"title": "A title"})
    written = " ".join(texts)
    assert "UPDATE scene SET version=" in written or "UPDATE scene SET title=" in written
    for column in ("status=", "prompt=", "metadata=", "owner_id=", "pending=", "created_at="):
        assert column not in written, column


async def test_reports_of_an_external_worker_read_their_scene_once(env: Domain) -> None:
    """A start, a percentage and a completion each have a bounded number of statements."""
    targets = await env.targets(await env.a_job(2, provider=EXTERNAL))
    await env.scenes.update(LOCAL, targets[1], {"status": SceneStatus.PROCESSING})
    most = 10 if env.store.database.embedded else 5
    assert await count(env, env.scenes.update(LOCAL, targets[0], {"status": SceneStatus.PROCESSING})) <= most
    assert await count(env, env.scenes.update(LOCAL, targets[0], {"percentage": 5.0})) <= most
    assert await count(env, env.scenes.update(LOCAL, targets[0], {"status": SceneStatus.COMPLETED})) <= most


@pytest.mark.parametrize("start", [False, True], ids=["draft", "started"])
async def test_creation_of_a_job_has_one_statement_for_each_table(env: Domain, start: bool) -> None:
    """On SQLite each row is traced by itself; on Postgres the rows of a table are one round trip."""
    await env.jobs.create(LOCAL, new_job(2, start=start))
    few = await count(env, env.jobs.create(LOCAL, new_job(2, start=start)))
    many = await count(env, env.jobs.create(LOCAL, new_job(20, start=start)))
    # A scene and its first take, inserted with their final values.
    assert many - few == (2 * 18 if env.store.database.embedded else 0)
    assert few <= 14


async def test_idempotency_key_costs_one_statement(env: Domain) -> None:
    """It is stored, or replaced when it has expired, by one statement."""
    await env.jobs.create(LOCAL, new_job(2, key="warm"))
    without = await count(env, env.jobs.create(LOCAL, new_job(2)))
    assert await count(env, env.jobs.create(LOCAL, new_job(2, key="a key"))) <= without + 2


Make = Callable[[Domain, Sequence[str], str], Awaitable[object]]

GROWING: dict[str, tuple[bool, Make]] = {
    "start": (False, lambda env, _scene_ids, job_id: env.jobs.start(LOCAL, job_id)),
    "cancel": (True, lambda env, _scene_ids, job_id: env.jobs.cancel(LOCAL, job_id)),
    "cancel-batch": (
        True,
        lambda env, scene_ids, job_id: env.batches.cancel(LOCAL, SceneBatch(job_id, scene_ids)),
    ),
    "reorder": (False, lambda env, scene_ids, job_id: env.scenes.reorder(LOCAL, job_id, [*reversed(scene_ids)])),
}


@pytest.mark.parametrize("name", GROWING)
async def test_statements_of_a_change_of_all_scenes_grow_linearly(env: Domain, name: str) -> None:
    """On Postgres not at all; on SQLite by at most three rows for each scene: scene, take, event."""
    started, make = GROWING[name]
    counts: list[int] = []
    for scenes in (3, 13, 23):
        job_id = await env.a_job(scenes, start=started)
        scene_ids = [target.scene_id for target in await env.targets(job_id)]
        counts.append(await count(env, make(env, scene_ids, job_id)))
    for before, after in pairwise(counts):
        assert after - before <= (30 if env.store.database.embedded else 0)


async def test_later_jobs_have_as_many_statements_as_the_first(env: Domain) -> None:
    """Creating and starting many jobs is linear: the number does not depend on how many there are."""
    await env.jobs.create(LOCAL, new_job(5, start=True))
    first = await count(env, env.jobs.create(LOCAL, new_job(5, start=True)))
    for _ in range(10):
        await env.jobs.create(LOCAL, new_job(5, start=True))
    assert await count(env, env.jobs.create(LOCAL, new_job(5, start=True))) == first
