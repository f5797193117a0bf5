"""What a group writes to its sockets at once, and how soon."""

import asyncio
import random
import time

import pytest

from server.transports.shared.member import State
from server.transports.shared.message import SharedMessage
from server.transports.shared.pace import LONG_SECONDS, REST_SECONDS, Batch, Rests
from subscriptions.shared import SharedValue
from tests.support.shared_followers import SECONDS, Follower, Streams, has, quicken
from tests.support.shared_world import World
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def few_sockets_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for real, and write to few sockets at once."""
    quicken(monkeypatch)


@pytest.fixture
def world() -> World:
    """A job without chance."""
    return World(random.Random("one"), events_show_progress=True)


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
