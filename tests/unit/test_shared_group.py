"""A group of subscribers under random changes, with subscribers that come, go, and read at random speeds."""

import asyncio
import random

import pytest

from subscriptions.shared import SharedValue
from tests.support.shared_followers import SECONDS, Follower, Streams, has, quicken
from tests.support.shared_world import Source, World
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def few_sockets_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for real, and write to few sockets at once."""
    quicken(monkeypatch)


def join(world: World, streams: Streams) -> Follower:
    """Add a subscriber of a random kind."""
    rng = world.rng
    after = rng.choice([None, None, 0, world.version, max(0, world.version - rng.randrange(40)), world.version + 3])
    room, is_direct = rng.choice([1, 2, 5, 1_000]), rng.random() < 0.8
    return Follower(streams, after, room, is_direct=is_direct, name=rng.choice(["1", "1", "1", "a-longer-one"]))


async def turn(world: World, streams: Streams, followers: list[Follower]) -> None:
    """Do something at random."""
    rng = world.rng
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            world.change()
        case 4 | 5:
            world.notify()
        case 6:
            world.tick()
        case 7:
            followers.append(join(world, streams))
        case 8 if followers and rng.random() < 0.5:
            rng.choice(followers).leave()
        case _:
            for follower in followers:
                if rng.random() < 0.4:
                    follower.drain()
    for _ in range(rng.randrange(6)):
        await asyncio.sleep(0)


async def reach(world: World, followers: list[Follower], version: int, progress: int) -> None:
    """Wait until every subscriber has this version and this progress. Raises AssertionError."""

    def late() -> list[Follower]:
        return [each for each in followers if not each.has_ended and each.reached != (version, progress)]

    try:
        async with asyncio.timeout(SECONDS):
            while late():
                await drain(world, followers)
    except TimeoutError:
        states = [(each.reached, each.member.state, each.received[-3:]) for each in late()]
        raise AssertionError(f"not at version {version} with progress {progress}: {states}") from None
    finally:
        assert [each.problems for each in followers if each.problems] == []


async def drain(world: World, followers: list[Follower]) -> None:
    """Empty some of the sockets."""
    for follower in followers:
        if world.rng.random() < 0.5:
            follower.drain()
    await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(60))
async def test_random_subscribers_get_every_event_once_and_the_last_progress(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while some wait for the rate limit; in the end the job is purged, which ends all streams."""
    monkeypatch.setattr("server.transports.shared.ring.RING_BYTES", (150, 10_000)[seed // 2 % 2])
    world = World(random.Random(seed), events_show_progress=seed % 2 == 0, makes_at_once=seed // 4 % 2 == 0)
    streams = Streams(world, refuses=seed % 3 * 0.2)
    followers = [join(world, streams) for _ in range(6)]
    for _ in range(200):
        await turn(world, streams, followers)
    world.notify()
    async with asyncio.timeout(SECONDS):
        while any(not each.has_ended and each.version != world.version for each in followers):
            await drain(world, followers)
    for _ in range(10):
        world.change()
        world.notify()
        for _ in range(world.rng.randrange(20)):
            await asyncio.sleep(0)
        world.tick()
        for _ in range(world.rng.randrange(20)):
            await drain(world, followers)
    world.change()
    world.notify()
    await reach(world, followers, world.version, world.progress)
    world.purge()
    async with asyncio.timeout(SECONDS):
        while not all(each.has_ended for each in followers) or streams.groups:
            await drain(world, followers)
    staying = [each for each in followers if not each.has_left]
    assert [each.member.sent for each in staying] == [len(each.received) for each in staying]


@pytest.fixture
def world() -> World:
    """A job without chance."""
    return World(random.Random("one"), events_show_progress=True)


async def test_joins_without_end_do_not_delay_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """During each reading of the state another subscriber joins."""
    streams = Streams(world)
    states = 0
    state = Source.state

    async def join_during_state(self: Source, *, lagged: bool) -> SharedValue | None:
        nonlocal states
        states += first.version == 1
        if states < 100 and first.version == 1:
            Follower(streams, None, 1_000)
        return await state(self, lagged=lagged)

    first = Follower(streams, None, 1_000)
    await has([first], 1)
    monkeypatch.setattr(Source, "state", join_during_state)
    Follower(streams, None, 1_000)
    world.change()
    world.notify()
    await has([first], 2)
    assert states < 10


async def test_failed_execution_ends_all_streams_with_an_error(world: World) -> None:
    """Those that subscribe again get a group that works."""
    streams = Streams(world)
    followers = [
        Follower(streams, after, 1_000, is_direct=is_direct) for after in (None, 0) for is_direct in (True, False)
    ]
    await has(followers, 1)
    world.fails = True
    world.change()
    world.notify()
    await eventually(lambda: all(each.has_ended for each in followers), SECONDS)
    assert [each.received[-1] for each in followers] == [{"kind": "error"}] * 4
    assert streams.groups == 0
    world.fails = False
    again = Follower(streams, 1, 1_000)
    await has([again], 2)


async def test_limited_member_ends_with_the_job_and_spends_nothing_more(world: World) -> None:
    """Its unpaid messages are waived."""
    streams = Streams(world)
    follower = Follower(streams, None, 1_000)
    await has([follower], 1)
    streams.limiter.refuses = 1.0
    world.change()
    world.notify()
    await has([follower], 2)
    world.purge()
    for _ in range(20):
        await asyncio.sleep(0)
    streams.limiter.refuses = 0.0
    await eventually(lambda: follower.has_ended, SECONDS)
    assert streams.limiter.spent == 2


async def test_member_that_leaves_waits_for_its_own_group_only(world: World) -> None:
    """Thousands of clients that disconnect together must not wait for each other's groups."""
    streams, may_stop = Streams(world), asyncio.Event()

    async def stop_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_stop.wait()

    other = asyncio.create_task(stop_slowly())
    await asyncio.sleep(0)
    streams.stop(other)
    follower = Follower(streams, None, 1_000)
    await has([follower], 1)
    follower.leave()
    async with asyncio.timeout(SECONDS):
        await streams.stopped([follower.member])
    assert all(task.done() for task in follower.member.group.tasks)
    assert not other.done()
    may_stop.set()
    await asyncio.wait([other])
