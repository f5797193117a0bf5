"""A request that is sent twice, because its answer was lost on the way or by an impatient finger, is done once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.commands import idempotency
from coordinator.commands.inputs import NewJob, NewScene, SceneTarget
from models.db.tables import IDEMPOTENCY_KEY
from models.domain.access import LOCAL, Viewer
from models.domain.errors import Conflict, DomainError, DomainErrors, ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.writes.store import now
from tests.support.domain import Domain, domain

Verb = Callable[[Domain, str, str], Awaitable[object]]

AMY, BEN = Viewer("amy", "Amy", ()), Viewer("ben", "Ben", ())


pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as world:
        yield world


async def a_job(world: Domain) -> str:
    """A job in which every verb below has something to do: started, its only scene canceled, and another added."""
    job_id = await world.a_job(1, start=True)
    await world.scenes.cancel(LOCAL, (await world.targets(job_id))[0])
    await world.scenes.add(LOCAL, job_id, NewScene("another"))
    return job_id


async def create(world: Domain, _job_id: str, key: str) -> str:
    return await world.jobs.create(LOCAL, NewJob("Twice", [NewScene("once")], start=True, idempotency_key=key))


async def cancel(world: Domain, job_id: str, key: str) -> None:
    await world.jobs.cancel(LOCAL, job_id, None, key)


async def add(world: Domain, job_id: str, key: str) -> str:
    return await world.scenes.add(LOCAL, job_id, NewScene("once"), 0, None, key)


async def regenerate(world: Domain, job_id: str, key: str) -> None:
    (first, *_) = sorted(await world.targets(job_id), key=lambda target: target.scene_id)
    await world.scenes.regenerate(LOCAL, first, "once more", key)


async def start(world: Domain, job_id: str, key: str) -> None:
    await world.jobs.start(LOCAL, job_id, None, key)


class Broken(Exception):
    """What goes wrong in these tests."""


VERBS: list[Verb] = [create, cancel, add, regenerate, start]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
async def test_the_same_again_is_done_once(world: Domain, verb: Verb) -> None:
    """The first answer comes again, nothing is written and nobody is told."""
    job_id = await a_job(world)
    first = await verb(world, job_id, "key")
    before, announced = world.dump(), len(world.committed)
    assert await verb(world, job_id, "key") == first
    assert (world.dump(), len(world.committed)) == (before, announced)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
async def test_the_same_at_once_is_done_once(world: Domain, verb: Verb) -> None:
    """Ten impatient fingers get one answer."""
    job_id = await a_job(world)
    answers = await asyncio.gather(*(verb(world, job_id, "key") for _ in range(10)))
    assert len(set(answers)) == 1
    announced = [committed for committed in world.committed[3:] if committed.version is not None]
    assert len(announced) == (verb is not start)
    assert len(world.dump()["idempotencykey"]) == 1


@pytest.mark.parametrize(
    ("verb", "done"),
    [(create, True), (add, True), (cancel, False), (start, False)],
    ids=["create", "add", "cancel", "start"],
)
async def test_with_another_key_it_is_another_request(world: Domain, verb: Verb, done: bool) -> None:
    """Only who says that it is the same is taken to mean the same; what may be done twice is."""
    job_id = await a_job(world)
    await verb(world, job_id, "one")
    before = world.dump()
    await verb(world, job_id, "two")
    assert [row[1] for row in world.dump()["idempotencykey"]] == ["one", "two"]
    assert (world.dump()["event"] != before["event"]) == done


async def test_without_a_key_it_is_another_request(world: Domain) -> None:
    """Nothing is remembered of a request that does not ask for it."""
    for _ in range(2):
        await world.jobs.create(LOCAL, NewJob("Twice"))
    assert (len(world.dump()["job"]), world.dump()["idempotencykey"]) == (2, [])


async def test_what_was_answered_stays_answered_when_the_world_has_moved_on(world: Domain) -> None:
    """A retry that comes late neither does the thing to what is there by now, nor is it refused because of that."""
    job_id = await world.a_job(1, start=True)
    (target,) = await world.targets(job_id)
    await start(world, job_id, "start")
    await cancel(world, job_id, "cancel")
    await world.scenes.regenerate(LOCAL, target, key="regenerate")
    before = world.dump()
    await start(world, job_id, "start")
    await cancel(world, job_id, "cancel")
    await world.scenes.regenerate(LOCAL, target, key="regenerate")
    assert world.dump() == before
    assert (await world.look(job_id)).live[0].status is SceneStatus.PENDING


async def test_a_request_that_did_nothing_is_remembered_too(world: Domain) -> None:
    """Else its retry could do something, or be refused, after the first answer was that all is well."""
    job_id = await world.a_job(1, start=True)
    (target,) = await world.targets(job_id)
    await cancel(world, job_id, "first")
    await cancel(world, job_id, "again")
    await world.scenes.regenerate(LOCAL, target)
    before = world.dump()
    await cancel(world, job_id, "again")
    assert world.dump() == before


async def test_the_same_at_once_against_one_version(world: Domain) -> None:
    """The second is not told that the first has changed the version that both knew."""
    job_id = await world.a_job(2)
    (first, _) = await world.targets(job_id)
    await asyncio.gather(*(world.jobs.start(LOCAL, job_id, 1, "start") for _ in range(5)))
    await world.scenes.update(LOCAL, first, {"status": SceneStatus.COMPLETED})
    seen = await world.look(job_id)
    target = SceneTarget(first.scene_id, job_id, seen.live[0].version)
    await asyncio.gather(*(world.scenes.regenerate(LOCAL, target, None, "regenerate") for _ in range(5)))
    version = (await world.look(job_id)).job.version
    added = await asyncio.gather(
        *(world.scenes.add(LOCAL, job_id, NewScene("x"), None, version, "add") for _ in range(5))
    )
    assert len(set(added)) == 1
    log = [event.type for event in (await world.look(job_id)).log]
    assert log == [
        EventType.JOB_CREATED,
        EventType.JOB_STARTED,
        EventType.SCENE_COMPLETED,
        EventType.SCENE_REGENERATED,
        EventType.SCENE_ADDED,
    ]


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
async def test_a_key_that_was_used_for_something_else_is_refused(world: Domain, other: NewJob) -> None:
    """Doing neither is the only safe answer."""
    await world.jobs.create(LOCAL, NewJob("A job", idempotency_key="key"))
    before = world.dump()
    with pytest.raises(Conflict) as conflict:
        await world.jobs.create(LOCAL, other)
    assert conflict.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert conflict.value.path == ["input", "idempotencyKey"]
    assert world.dump() == before


async def test_a_key_belongs_to_one_operation(world: Domain) -> None:
    """Starting is not canceling, though both name the same job."""
    job_id = await world.a_job(1)
    await start(world, job_id, "key")
    with pytest.raises(Conflict):
        await cancel(world, job_id, "key")


async def test_two_different_requests_at_once_with_one_key(world: Domain) -> None:
    """One is done, the other refused."""
    work = [world.jobs.create(LOCAL, NewJob(title, idempotency_key="key")) for title in ("One", "Other")]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "str"]
    assert len(world.dump()["job"]) == 1


async def test_a_key_belongs_to_one_person(world: Domain) -> None:
    """Nobody learns by a key what another made, nor is kept from making their own."""
    new = NewJob("A job", idempotency_key="key")
    ids = [await world.jobs.create(viewer, new) for viewer in (AMY, BEN, AMY)]
    assert ids[0] == ids[2] != ids[1]
    with pytest.raises(DomainError) as refused:
        await world.jobs.start(BEN, ids[0], None, "start")
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_a_refused_request_is_not_remembered(world: Domain) -> None:
    """What stood in its way may be gone at the next try."""
    job_id = await world.a_job(0)
    with pytest.raises(InvalidState):
        await start(world, job_id, "key")
    assert world.dump()["idempotencykey"] == []
    await world.scenes.add(LOCAL, job_id, NewScene("now"))
    await start(world, job_id, "key")
    assert (await world.look(job_id)).job.left_draft


async def test_a_failed_commit_is_not_remembered(world: Domain) -> None:
    """The answer is true if and only if the change is."""

    async def fail(*_: object) -> None:
        raise Broken

    job_id = await world.a_job(1)
    world.commits.before = fail
    with pytest.raises(Broken):
        await start(world, job_id, "key")
    world.commits.before = None
    await start(world, job_id, "key")
    assert [event.type for event in (await world.look(job_id)).log][-1] is EventType.JOB_STARTED


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\0b", "\ud800"])
async def test_a_key_that_is_none(world: Domain, key: str) -> None:
    """It is refused by its name before anything is done."""
    job_id = await world.a_job(1)
    for verb in VERBS:
        with pytest.raises(DomainErrors) as refused:
            await verb(world, job_id, key)
        assert [refusal.path for refusal in refused.value.refusals] == [["input", "idempotencyKey"]]
    assert world.dump()["idempotencykey"] == []


async def test_keys_are_forgotten_after_a_day(world: Domain) -> None:
    """Not before, and those of today stay."""
    await create(world, "", "old")
    await create(world, "", "new")
    almost, over = idempotency.KEPT - timedelta(minutes=1), idempotency.KEPT + timedelta(minutes=1)
    for age, forgotten in ((almost, 0), (over, 1)):
        await date(world, "old", age)
        assert await idempotency.prune(world.store) == forgotten
    assert [row[1] for row in world.dump()["idempotencykey"]] == ["new"]


async def test_a_key_is_good_for_a_day_and_no_longer(world: Domain) -> None:
    """Whether or not it has been swept away by then."""
    job_id = await world.a_job(0)
    almost, over = idempotency.KEPT - timedelta(minutes=1), idempotency.KEPT + timedelta(minutes=1)
    first = await add(world, job_id, "key")
    await date(world, "key", almost)
    assert await add(world, job_id, "key") == first
    await date(world, "key", over)
    second = await add(world, job_id, "key")
    assert second != first
    assert await add(world, job_id, "key") == second


async def date(world: Domain, key: str, age: timedelta) -> None:
    """Let a key be that old."""
    async with world.store.write() as connection:
        old = IDEMPOTENCY_KEY.update().where(IDEMPOTENCY_KEY.c.key == key)
        await connection.execute(old.values(created_at=now() - age))
