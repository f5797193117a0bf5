"""A group of subscribers under random changes, with subscribers that come, go, and read at random speeds."""

import asyncio
import random
import time

import pytest

from server.transports.shared.member import State
from server.transports.shared.members import Members
from server.transports.shared.message import SharedMessage
from server.transports.shared.pace import LONG_SECONDS, REST_SECONDS, Batch, Rests
from subscriptions.shared import SharedValue
from tests.support.shared_followers import Follower, Streams
from tests.support.shared_world import Source, World
from tests.support.waiting import TIMEOUT_SECONDS, eventually

SECONDS = TIMEOUT_SECONDS


@pytest.fixture(autouse=True)
def quick_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the rate limit try again at once."""

    async def spend(self: Members) -> None:
        while not self.spend(1):  # noqa: ASYNC110 # the limit opens by chance
            await asyncio.sleep(0)

    monkeypatch.setattr(Members, "spend_when_available", spend)
    for module in ("members", "in_step", "joins", "replay"):
        monkeypatch.setattr(f"server.transports.shared.{module}.CHUNK", 3)
    monkeypatch.setattr("server.transports.shared.replay.IN_STEP_SECONDS", 0.001)


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
    world = World(random.Random(seed), events_show_progress=seed % 2 == 0)
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


async def has(followers: list[Follower], version: int) -> None:
    """Wait until all have this version."""
    await eventually(lambda: all(each.version == version for each in followers), SECONDS)


async def test_resumed_member_does_not_clear_the_ring_during_a_fan_out(world: World) -> None:
    """One whose turn comes later in the same fan-out, and whose socket is full, still gets the event."""
    streams = Streams(world)
    quick, *others, slow = [Follower(streams, None, room) for room in (1, *[1_000] * 30, 1)]
    await has([quick, *others, slow], 1)
    world.change()
    world.notify()
    async with asyncio.timeout(SECONDS):
        while quick.version != 2:
            if quick.member.state is State.BEHIND:
                quick.drain()
            await asyncio.sleep(0)
    await has(others, 2)
    for _ in range(3):
        await asyncio.sleep(0)
    slow.drain()
    await has([slow], 2)
    assert [each["kind"] for each in slow.received] == ["initial", "event"]


async def test_others_get_their_turn_during_a_fan_out(world: World) -> None:
    """After every few sockets, so that a message to thousands does not keep an answer waiting."""
    streams = Streams(world)
    followers = [Follower(streams, None, 1_000) for _ in range(10)]
    await has(followers, 1)
    for version in (2, 3):
        world.change()
        world.notify()
        reached: list[int] = []
        async with asyncio.timeout(SECONDS):
            while not reached or reached[-1] < 10:
                reached.append(sum(each.version == version for each in followers))
                await asyncio.sleep(0)
        assert sorted(set(reached)) == [0, 3, 6, 9, 10]


async def test_members_that_come_and_go_leave_no_blocks_behind(world: World) -> None:
    """Those that come later take the places that are free."""
    streams = Streams(world)
    followers = [Follower(streams, None, 1_000) for _ in range(10)]
    sizes: list[list[int]] = []
    for gone in ([], [1, 3, 4, 5], [0]):
        for number in gone:
            followers[number].leave()
            followers[number] = Follower(streams, None, 1_000)
        await has(followers, world.version)
        world.change()
        world.notify()
        await has(followers, world.version)
        in_step = followers[-1].member.group.in_step
        await eventually(lambda: len(in_step) == 10, SECONDS)  # noqa: B023 # awaited at once
        sizes.append([len(block.writes) for block in in_step.blocks])
    assert sizes == [[3, 3, 3, 1]] * 3


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


async def test_events_that_wait_together_take_one_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a socket that takes everything; one that is full takes the same events from the ring."""
    monkeypatch.setattr("server.transports.shared.pace.SECONDS", SECONDS)
    streams = Streams(world)
    followers = [Follower(streams, None, room) for room in (1_000, 2)]
    quick, slow = followers
    await has(followers, 1)
    world.change()
    world.notify()
    await has(followers, 2)
    writes = quick.writes
    for _ in range(5):
        world.change()
    world.notify()
    await has([quick], 7)
    assert quick.writes == writes + 1
    assert slow.received[-1]["version"] == 2
    slow.drain()
    async with asyncio.timeout(SECONDS):
        while slow.reached[0] != 7:
            slow.drain()
            await asyncio.sleep(0)
    assert [each["version"] for each in quick.received] == [each["version"] for each in slow.received]


async def test_changes_during_a_rest_share_a_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many readings of the log they come with."""
    streams = Streams(world)
    follower = Follower(streams, None, 1_000)
    await has([follower], 1)
    world.change()
    world.notify()
    await has([follower], 2)
    writes, rested = follower.writes, asyncio.Event()

    async def rest(_: Rests) -> None:
        await rested.wait()

    monkeypatch.setattr(Rests, "rest", rest)
    for _ in range(3):
        world.change()
        world.notify()
        for _ in range(30):  # enough for a group that does not rest
            await asyncio.sleep(0)
    assert follower.writes == writes
    monkeypatch.setattr("server.transports.shared.pace.SECONDS", SECONDS)
    rested.set()
    await has([follower], 5)
    assert follower.writes == writes + 1


@pytest.mark.parametrize("key", [None, "latest"])
async def test_rest_takes_as_long_as_the_write_before(key: str | None) -> None:
    """At most as long as the longest rest; latest values have an interval of their own."""
    rests, batch, took = Rests(), Batch(), LONG_SECONDS + REST_SECONDS
    batch.add(SharedValue("value", key=key), SharedMessage(b"{}"))
    began = time.monotonic()
    with rests.writing(batch):
        time.sleep(took)  # noqa: ASYNC251 # it is the write that takes long
    resting = asyncio.ensure_future(rests.rest())
    await asyncio.sleep(0)
    if key is not None:
        assert resting.done()
    await resting
    assert key is not None or time.monotonic() - began >= took + REST_SECONDS * 0.9


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
