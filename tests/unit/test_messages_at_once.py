"""Messages that a small group makes without waiting, and writes without its task."""

import asyncio
import random

import pytest

from server.transports.shared.member import State
from tests.support.shared_followers import SECONDS, Follower, Streams, has, quicken
from tests.support.shared_world import World
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def few_sockets_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for real."""
    quicken(monkeypatch)


@pytest.fixture
def world() -> World:
    """A job whose events are made without waiting."""
    return World(random.Random("one"), events_show_progress=True, makes_at_once=True)


def change(world: World, events: int = 1) -> None:
    """Commit events, of which the sources learn together."""
    for _ in range(events):
        world.change()
    world.notify()


async def in_step(world: World, streams: Streams, *rooms: int) -> list[Follower]:
    """Return followers that have had an event, after which they are in step."""
    followers = [Follower(streams, None, room) for room in rooms]
    await has(followers, 1)
    for each in followers:
        each.drain()
    change(world)
    await has(followers, 2)
    for each in followers:
        each.drain()
    await eventually(lambda: followers[0].member.group.is_steady, SECONDS)
    world.taken = 0
    return followers


async def test_event_of_a_small_group_wakes_no_task(world: World) -> None:
    """It is written in the next turn of the loop, several events in one write."""
    followers = await in_step(world, Streams(world), 1_000, 1_000)
    writes = [each.writes for each in followers]
    change(world, 3)
    assert [each.version for each in followers] == [2, 2]
    await asyncio.sleep(0)
    assert [each.version for each in followers] == [5, 5]
    assert [each.writes for each in followers] == [count + 1 for count in writes]
    assert world.taken == 0
    assert [each.problems for each in followers] == [[], []]


async def test_progress_after_an_event_is_made_by_the_task(world: World) -> None:
    """The event is not made twice."""
    (follower,) = await in_step(world, Streams(world), 1_000)
    change(world)
    world.tick()
    await eventually(lambda: follower.reached == (3, 1), SECONDS)
    assert world.taken == 1
    assert [each.get("version") for each in follower.received] == [1, 2, 3, None]


async def test_what_has_to_be_waited_for_is_made_by_the_task(world: World) -> None:
    """Nothing is tried again for the messages that follow."""
    (follower,) = await in_step(world, Streams(world), 1_000)
    world.has_to_wait = True
    change(world)
    await has([follower], 3)
    assert world.taken == 1
    world.has_to_wait = False
    change(world)
    await has([follower], 4)
    assert world.taken == 2


async def test_task_that_was_woken_before_makes_the_messages_in_order(world: World) -> None:
    """What becomes pending while it has not begun is not made beside it."""
    (follower,) = await in_step(world, Streams(world), 1_000)
    for _ in range(30):
        world.tick()
        await asyncio.sleep(0)  # now the task is woken, and waits for its turn
        change(world)
        change(world)
        await eventually(lambda: follower.reached == (world.version, world.progress), SECONDS)
        assert follower.problems == []


async def test_large_group_leaves_its_turn_to_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a change goes before a message to many."""
    monkeypatch.setattr("server.transports.shared.in_step.CHUNK", 100)
    streams = Streams(world)
    followers = await in_step(world, streams, *[1_000] * 3)
    followers += [Follower(streams, None, 1_000) for _ in range(8)]
    await has(followers, 2)
    for version in (3, 4):
        change(world)
        await has(followers, version)
    assert world.taken == 2


async def test_full_socket_gets_the_events_later(world: World) -> None:
    """The others of the group get them at once."""
    quick, slow = await in_step(world, Streams(world), 1_000, 1)
    change(world)
    await asyncio.sleep(0)
    assert (quick.version, slow.version) == (3, 3)
    change(world, 2)
    await asyncio.sleep(0)
    assert (quick.version, slow.version) == (5, 3)
    assert slow.member.state is State.BEHIND
    async with asyncio.timeout(SECONDS):
        while slow.version != 5:
            slow.drain()
            await asyncio.sleep(0)
    assert [each["version"] for each in slow.received] == [1, 2, 3, 4, 5]
    for each in (quick, slow):
        each.leave()
        assert each.member.sent == 5


async def test_no_member_is_sent_more_than_the_rate_limit_permits(world: World) -> None:
    """Beyond it, those that got a message fall behind until its cost can be spent."""
    streams = Streams(world)
    (follower,) = await in_step(world, streams, 1_000)
    streams.limiter.refuses = 1.0
    change(world)
    await asyncio.sleep(0)
    assert (follower.version, follower.member.unpaid) == (3, 1)
    change(world)
    for _ in range(20):
        await asyncio.sleep(0)
    assert follower.version == 3
    streams.limiter.refuses = 0.0
    await has([follower], 4)
    assert streams.limiter.spent == 4


async def test_member_that_joins_meanwhile_misses_nothing(world: World) -> None:
    """The group's task sends it the state, and to the others the event."""
    streams = Streams(world)
    (first,) = await in_step(world, streams, 1_000)
    change(world)
    second = Follower(streams, None, 1_000)
    change(world)
    await has([first, second], 4)
    assert [each["version"] for each in first.received] == [1, 2, 3, 4]
    assert [each.problems for each in (first, second)] == [[], []]


async def test_last_member_that_leaves_meanwhile_is_sent_nothing(world: World) -> None:
    """Its group stops."""
    streams = Streams(world)
    (follower,) = await in_step(world, streams, 1_000)
    change(world)
    follower.leave()
    await eventually(lambda: all(task.done() for task in follower.member.group.tasks), SECONDS)
    assert (follower.version, follower.problems) == (2, [])


async def test_purge_ends_the_streams(world: World) -> None:
    """After the events that came before it."""
    (follower,) = await in_step(world, Streams(world), 1_000)
    change(world)
    await asyncio.sleep(0)
    world.purge()
    await eventually(lambda: follower.has_ended, SECONDS)
    assert follower.version == 3


async def test_failed_write_ends_the_streams_with_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages may have been sent to some of the members: going on would leave a hole for the others."""
    streams = Streams(world)
    followers = await in_step(world, streams, 1_000, 1_000)

    def fail(_: int) -> None:
        raise RuntimeError("cannot count")

    monkeypatch.setattr(streams.observer, "sent", fail)
    change(world)
    await asyncio.sleep(0)
    monkeypatch.undo()
    await eventually(lambda: all(each.has_ended for each in followers), SECONDS)
    assert [each.received[-1] for each in followers] == [{"kind": "error"}] * 2
    assert streams.groups == 0
    again = Follower(streams, 2, 1_000)
    await has([again], 3)
