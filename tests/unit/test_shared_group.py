"""A group of subscribers under random changes, with subscribers that come, go, and read at random speeds."""

import asyncio
import random

import pytest

from server.transports.shared.members import Members
from tests.support.shared_world import Follower, Streams, World

SECONDS = 20


@pytest.fixture(autouse=True)
def quick_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the rate limit try again at once."""

    async def spend(self: Members) -> None:
        while not self.spend(1):  # noqa: ASYNC110 # the limit opens by chance
            await asyncio.sleep(0)

    monkeypatch.setattr(Members, "spend_when_available", spend)
    monkeypatch.setattr("server.transports.shared.members.CHUNK", 3)
    monkeypatch.setattr("server.transports.shared.group.CHUNK", 3)
    monkeypatch.setattr("server.transports.shared.replay.CHUNK", 3)
    monkeypatch.setattr("server.transports.shared.replay.IN_STEP_SECONDS", 0.001)


def join(world: World, streams: Streams) -> Follower:
    """Add a subscriber of a random kind."""
    rng = world.rng
    after = rng.choice([None, None, 0, world.version, max(0, world.version - rng.randrange(40)), world.version + 3])
    return Follower(streams, after, rng.choice([1, 2, 5, 1_000]), is_direct=rng.random() < 0.8)


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
