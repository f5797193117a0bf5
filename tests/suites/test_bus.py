"""What every bus promises to those who publish and to those who listen."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import pytest

from coordinator.bus.port import Bus, Hint, LocalBus, Message
from models.writes.change import Tick
from tests.support.database_choice import database_choice
from tests.support.postgres_processes import buses_on
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases

HINT, TICK = Hint("job_1", 7), Tick("job_1", "scene_1")
LAST = Hint("job_last", 1)


class Buses(NamedTuple):
    """Where something is said, and where it is heard: in one process, or in two."""

    said: Bus
    heard: Bus


@pytest.fixture
async def buses(database: None, tmp_path: Path) -> AsyncGenerator[Buses]:
    """The bus that goes with each database."""
    if not database_choice.distributed:
        bus = LocalBus()
        yield Buses(bus, bus)
        return
    async with buses_on(database_choice.url(tmp_path)) as (one, other):
        yield Buses(one, other)


class Ear:
    """A listener that remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self._changed = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.heard.append(message)
        self._changed.set()

    async def until(self, *messages: Message) -> set[Message]:
        """All that it had heard when it had heard these, which come in no certain order and perhaps twice."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not set(messages) <= set(self.heard):
                self._changed.clear()
                await self._changed.wait()
        return set(self.heard)


async def test_whoever_listens_hears(buses: Buses) -> None:
    """Hints and ticks alike, and everybody all of them."""
    one, other = Ear(), Ear()
    buses.heard.listen(one)
    buses.heard.listen(other)
    for message in (HINT, TICK, LAST):
        buses.said.publish(message)
    for ear in (one, other):
        assert await ear.until(HINT, TICK, LAST) == {HINT, TICK, LAST}


async def test_a_message_arrives_as_it_was_sent(buses: Buses) -> None:
    """Also with names that some transport might take for its own."""
    ear = Ear()
    buses.heard.listen(ear)
    strange = [Hint("job_'; NOTIFY x; --", 2**40), Tick('job_\u00e9,"\n', "scene_\u6d77")]
    for message in (*strange, LAST):
        buses.said.publish(message)
    assert await ear.until(*strange, LAST) == {*strange, LAST}


async def test_the_newest_version_of_a_job_is_always_heard(buses: Buses) -> None:
    """Hints may be joined together on the way, but never so that the last one is missing."""
    ear = Ear()
    buses.heard.listen(ear)
    for version in range(1, 501):
        buses.said.publish(Hint("job_1", version))
    await ear.until(Hint("job_1", 500))


async def test_many_jobs_are_told_apart(buses: Buses) -> None:
    """A burst of changes of many jobs reaches the watchers of each."""
    ear = Ear()
    buses.heard.listen(ear)
    burst = [Hint(f"job_{number:05}", 1) for number in range(500)]
    for message in (*burst, LAST):
        buses.said.publish(message)
    await ear.until(*burst, LAST)


async def test_who_stopped_listening_hears_nothing_more(buses: Buses) -> None:
    """And the others go on."""
    gone, stays = Ear(), Ear()
    stop = buses.heard.listen(gone)
    buses.heard.listen(stays)
    buses.said.publish(HINT)
    await gone.until(HINT)
    stop()
    before = list(gone.heard)
    buses.said.publish(LAST)
    await stays.until(LAST)
    assert gone.heard == before


async def test_who_comes_late_hears_from_then_on(buses: Buses) -> None:
    """The bus keeps nothing: what was before is in the database."""
    early, late = Ear(), Ear()
    buses.heard.listen(early)
    buses.said.publish(HINT)
    await early.until(HINT)
    buses.heard.listen(late)
    buses.said.publish(LAST)
    assert await late.until(LAST) == {LAST}


async def test_a_listener_may_listen_and_stop_while_it_is_told(buses: Buses) -> None:
    """Readers come and go by what they hear."""
    first, second = Ear(), Ear()

    def swap(_message: Message) -> None:
        stop()
        buses.heard.listen(second)

    stop = buses.heard.listen(swap)
    buses.heard.listen(first)
    buses.said.publish(HINT)
    await first.until(HINT)
    buses.said.publish(LAST)
    await second.until(LAST)
    await first.until(LAST)


async def test_a_listener_that_fails_harms_nobody(buses: Buses, caplog: pytest.LogCaptureFixture) -> None:
    """Neither who publishes, whose change is long committed, nor the other listeners; the operator is told."""

    def fail(_message: Message) -> None:
        raise RuntimeError("a defect")

    before, after = Ear(), Ear()
    buses.heard.listen(before)
    buses.heard.listen(fail)
    buses.heard.listen(after)
    buses.said.publish(LAST)
    await before.until(LAST)
    await after.until(LAST)
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("ERROR", True)]


async def test_nobody_need_listen(buses: Buses) -> None:
    """Publishing is free when nobody cares."""
    buses.said.publish(HINT)
    buses.said.publish(TICK)
