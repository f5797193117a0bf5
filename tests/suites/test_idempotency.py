"""Idempotency keys: a request that is sent again, one after the other or concurrently, is executed once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.commands import idempotency
from coordinator.commands.inputs import NewJob, NewScene, SceneTarget
from models.db.clock import now
from models.db.tables import IDEMPOTENCY_KEY
from models.domain.access import LOCAL, Viewer
from models.domain.errors import Conflict, DomainError, DomainErrors, ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from tests.support.domain import Domain, domain

Command = Callable[[Domain, str, str], Awaitable[object]]

AMY, BEN = Viewer("amy", "Amy", ()), Viewer("ben", "Ben", ())


pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def a_job(env: Domain) -> str:
    """A job on which every command below has an effect: started, its only scene canceled, and another added."""
    job_id = await env.a_job(1, start=True)
    await env.scenes.cancel(LOCAL, (await env.targets(job_id))[0])
    await env.scenes.add(LOCAL, job_id, NewScene("another"))
    return job_id


async def create(env: Domain, _job_id: str, key: str) -> str:
    return await env.jobs.create(LOCAL, NewJob("Twice", [NewScene("once")], start=True, idempotency_key=key))


async def cancel(env: Domain, job_id: str, key: str) -> None:
    await env.jobs.cancel(LOCAL, job_id, None, key)


async def add(env: Domain, job_id: str, key: str) -> str:
    return await env.scenes.add(LOCAL, job_id, NewScene("once"), 0, None, key)


async def regenerate(env: Domain, job_id: str, key: str) -> None:
    (first, *_) = sorted(await env.targets(job_id), key=lambda target: target.scene_id)
    await env.scenes.regenerate(LOCAL, first, "once more", key)


async def start(env: Domain, job_id: str, key: str) -> None:
    await env.jobs.start(LOCAL, job_id, None, key)


class Broken(Exception):
    """The error that these tests inject."""


COMMANDS: list[Command] = [create, cancel, add, regenerate, start]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
async def test_repeated_request_is_executed_once(env: Domain, command: Command) -> None:
    """The second gets the first answer, writes nothing and reports nothing."""
    job_id = await a_job(env)
    first = await command(env, job_id, "key")
    before, announced = env.dump(), len(env.committed)
    assert await command(env, job_id, "key") == first
    assert (env.dump(), len(env.committed)) == (before, announced)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
async def test_concurrent_identical_requests_are_executed_once(env: Domain, command: Command) -> None:
    """All ten get the same answer."""
    job_id = await a_job(env)
    answers = await asyncio.gather(*(command(env, job_id, "key") for _ in range(10)))
    assert len(set(answers)) == 1
    announced = [committed for committed in env.committed[3:] if committed.version is not None]
    assert len(announced) == (command is not start)
    assert len(env.dump()["idempotencykey"]) == 1


@pytest.mark.parametrize(
    ("command", "done"),
    [(create, True), (add, True), (cancel, False), (start, False)],
    ids=["create", "add", "cancel", "start"],
)
async def test_request_with_another_key_is_executed_again(env: Domain, command: Command, done: bool) -> None:
    """Commands that may be executed twice are; the others are no change the second time."""
    job_id = await a_job(env)
    await command(env, job_id, "one")
    before = env.dump()
    await command(env, job_id, "two")
    assert [row[1] for row in env.dump()["idempotencykey"]] == ["one", "two"]
    assert (env.dump()["event"] != before["event"]) == done


async def test_request_without_a_key_is_executed_again(env: Domain) -> None:
    """Nothing is stored of it."""
    for _ in range(2):
        await env.jobs.create(LOCAL, NewJob("Twice"))
    assert (len(env.dump()["job"]), env.dump()["idempotencykey"]) == (2, [])


async def test_late_retry_gets_the_first_answer_although_the_job_has_changed(env: Domain) -> None:
    """It is neither executed on the changed job, nor refused because of its state."""
    job_id = await env.a_job(1, start=True)
    (target,) = await env.targets(job_id)
    await start(env, job_id, "start")
    await cancel(env, job_id, "cancel")
    await env.scenes.regenerate(LOCAL, target, key="regenerate")
    before = env.dump()
    await start(env, job_id, "start")
    await cancel(env, job_id, "cancel")
    await env.scenes.regenerate(LOCAL, target, key="regenerate")
    assert env.dump() == before
    assert (await env.job_state(job_id)).live[0].status is SceneStatus.PENDING


async def test_answer_of_a_request_without_effect_is_stored_too(env: Domain) -> None:
    """Otherwise its retry could have an effect, or be refused, after the first was answered with success."""
    job_id = await env.a_job(1, start=True)
    (target,) = await env.targets(job_id)
    await cancel(env, job_id, "first")
    await cancel(env, job_id, "again")
    await env.scenes.regenerate(LOCAL, target)
    before = env.dump()
    await cancel(env, job_id, "again")
    assert env.dump() == before


async def test_concurrent_identical_requests_with_an_expected_version_do_not_conflict(env: Domain) -> None:
    """The second is not refused because the first has raised the version."""
    job_id = await env.a_job(2)
    (first, _) = await env.targets(job_id)
    await asyncio.gather(*(env.jobs.start(LOCAL, job_id, 1, "start") for _ in range(5)))
    await env.scenes.update(LOCAL, first, {"status": SceneStatus.COMPLETED})
    state = await env.job_state(job_id)
    target = SceneTarget(first.scene_id, job_id, state.live[0].version)
    await asyncio.gather(*(env.scenes.regenerate(LOCAL, target, None, "regenerate") for _ in range(5)))
    version = (await env.job_state(job_id)).job.version
    added = await asyncio.gather(
        *(env.scenes.add(LOCAL, job_id, NewScene("x"), None, version, "add") for _ in range(5))
    )
    assert len(set(added)) == 1
    log = [event.type for event in (await env.job_state(job_id)).log]
    assert log == [
        EventType.JOB_CREATED,
        EventType.JOB_STARTED,
        EventType.SCENE_COMPLETED,
        EventType.SCENE_REGENERATED,
        EventType.SCENE_ADDED,
    ]


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    "other",
    [
        NewJob("Another", idempotency_key="key"),
        NewJob("A job", [NewScene("one")], idempotency_key="key"),
        NewJob("A job", metadata={"a": 1}, idempotency_key="key"),
        NewJob("A job", provider="external", idempotency_key="key"),
    ],
    ids=["title", "scenes", "metadata", "provider"],
)
async def test_key_of_another_request_is_a_conflict(env: Domain, other: NewJob) -> None:
    """The second request is not executed."""
    await env.jobs.create(LOCAL, NewJob("A job", idempotency_key="key"))
    before = env.dump()
    with pytest.raises(Conflict) as conflict:
        await env.jobs.create(LOCAL, other)
    assert conflict.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert conflict.value.path == ["input", "idempotencyKey"]
    assert env.dump() == before


@pytest.mark.sqlite_alone
async def test_key_of_another_operation_is_a_conflict(env: Domain) -> None:
    """Also on the same job with equal arguments."""
    job_id = await env.a_job(1)
    await start(env, job_id, "key")
    with pytest.raises(Conflict):
        await cancel(env, job_id, "key")


async def test_of_two_concurrent_requests_with_one_key_one_is_executed(env: Domain) -> None:
    """The other is refused with a conflict."""
    work = [env.jobs.create(LOCAL, NewJob(title, idempotency_key="key")) for title in ("One", "Other")]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "str"]
    assert len(env.dump()["job"]) == 1


async def test_keys_of_two_users_are_independent(env: Domain) -> None:
    """A key reveals nothing of another user's request, and does not block it."""
    new = NewJob("A job", idempotency_key="key")
    ids = [await env.jobs.create(viewer, new) for viewer in (AMY, BEN, AMY)]
    assert ids[0] == ids[2] != ids[1]
    with pytest.raises(DomainError) as refused:
        await env.jobs.start(BEN, ids[0], None, "start")
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_answer_of_a_refused_request_is_not_stored(env: Domain) -> None:
    """The same request may be accepted later."""
    job_id = await env.a_job(0)
    with pytest.raises(InvalidState):
        await start(env, job_id, "key")
    assert env.dump()["idempotencykey"] == []
    await env.scenes.add(LOCAL, job_id, NewScene("now"))
    await start(env, job_id, "key")
    assert (await env.job_state(job_id)).job.left_draft


async def test_answer_of_a_failed_commit_is_not_stored(env: Domain) -> None:
    """The answer and the change are committed together."""

    async def fail(*_: object) -> None:
        raise Broken

    job_id = await env.a_job(1)
    env.commits.before = fail
    with pytest.raises(Broken):
        await start(env, job_id, "key")
    env.commits.before = None
    await start(env, job_id, "key")
    assert [event.type for event in (await env.job_state(job_id)).log][-1] is EventType.JOB_STARTED


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\0b", "\ud800"])
async def test_invalid_key_is_refused(env: Domain, key: str) -> None:
    """With the path of the key, and before anything is executed."""
    job_id = await env.a_job(1)
    for command in COMMANDS:
        with pytest.raises(DomainErrors) as refused:
            await command(env, job_id, key)
        assert [refusal.path for refusal in refused.value.refusals] == [["input", "idempotencyKey"]]
    assert env.dump()["idempotencykey"] == []


async def test_keys_older_than_a_day_are_pruned(env: Domain) -> None:
    """Younger ones are kept."""
    await create(env, "", "old")
    await create(env, "", "new")
    almost, over = idempotency.KEPT - timedelta(minutes=1), idempotency.KEPT + timedelta(minutes=1)
    for age, pruned in ((almost, 0), (over, 1)):
        await date(env, "old", age)
        assert await idempotency.prune(env.store) == pruned
    assert [row[1] for row in env.dump()["idempotencykey"]] == ["new"]


async def test_key_is_valid_for_a_day(env: Domain) -> None:
    """Afterwards the request is executed again, even if the key has not been pruned yet."""
    job_id = await env.a_job(0)
    almost, over = idempotency.KEPT - timedelta(minutes=1), idempotency.KEPT + timedelta(minutes=1)
    first = await add(env, job_id, "key")
    await date(env, "key", almost)
    assert await add(env, job_id, "key") == first
    await date(env, "key", over)
    second = await add(env, job_id, "key")
    assert second != first
    assert await add(env, job_id, "key") == second


async def date(env: Domain, key: str, age: timedelta) -> None:
    """Make a key that old."""
    async with env.store.write() as connection:
        old = IDEMPOTENCY_KEY.update().where(IDEMPOTENCY_KEY.c.key == key)
        await connection.execute(old.values(created_at=now() - age))
