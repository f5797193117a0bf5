"""Conformance suite of the bus port, run on each implementation."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import pytest

from coordinator.bus.port import Bus, Hint, LocalBus, Message, TokenRevoked
from models.writes.change import Tick
from tests.support.database_choice import database_choice
from tests.support.postgres_processes import buses_on
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.both_databases

HINT, TICK = Hint("job_1", 7), Tick("job_1", "scene_1")
LAST = Hint("job_last", 1)


class Buses(NamedTuple):
    """The bus that publishes and the bus that receives: the same in one process, or those of two processes."""

    publisher: Bus
    receiver: Bus


@pytest.fixture
async def buses(database: None, tmp_path: Path) -> AsyncGenerator[Buses]:
    """The bus used with the database under test."""
    if not database_choice.distributed:
        bus = LocalBus()
        yield Buses(bus, bus)
        return
    async with buses_on(database_choice.url(tmp_path)) as (one, other):
        yield Buses(one, other)


class RecordingListener:
    """A listener that records the messages it receives."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self._changed = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.received.append(message)
        self._changed.set()

    async def until(self, *messages: Message) -> set[Message]:
        """Wait for these messages, in any order and perhaps repeated; returns all received so far."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not set(messages) <= set(self.received):
                self._changed.clear()
                await self._changed.wait()
        return set(self.received)


async def test_every_listener_receives_every_message(buses: Buses) -> None:
    """Hints as well as ticks."""
    one, other = RecordingListener(), RecordingListener()
    buses.receiver.listen(one)
    buses.receiver.listen(other)
    for message in (HINT, TICK, LAST):
        buses.publisher.publish(message)
    for listener in (one, other):
        assert await listener.until(HINT, TICK, LAST) == {HINT, TICK, LAST}


async def test_message_is_received_unchanged(buses: Buses) -> None:
    """Ids may contain any characters, such as quotes, line breaks and JSON or SQL syntax."""
    listener = RecordingListener()
    buses.receiver.listen(listener)
    strange = [Hint("job_'; NOTIFY x; --", 2**40), Tick('job_\u00e9,"\n', "scene_\u6d77"), TokenRevoked("token_1")]
    for message in (*strange, LAST):
        buses.publisher.publish(message)
    assert await listener.until(*strange, LAST) == {*strange, LAST}


async def test_newest_version_of_a_job_is_received(buses: Buses) -> None:
    """Hints of one job may be merged, but the last version is never lost."""
    listener = RecordingListener()
    buses.receiver.listen(listener)
    for version in range(1, 501):
        buses.publisher.publish(Hint("job_1", version))
    await listener.until(Hint("job_1", 500))


async def test_hints_of_many_jobs_are_not_merged(buses: Buses) -> None:
    """A burst of changes of many jobs is received for each job."""
    listener = RecordingListener()
    buses.receiver.listen(listener)
    burst = [Hint(f"job_{number:05}", 1) for number in range(500)]
    for message in (*burst, LAST):
        buses.publisher.publish(message)
    await listener.until(*burst, LAST)


async def test_listener_that_was_removed_receives_nothing(buses: Buses) -> None:
    """Other listeners are unaffected."""
    removed, remaining = RecordingListener(), RecordingListener()
    stop = buses.receiver.listen(removed)
    buses.receiver.listen(remaining)
    buses.publisher.publish(HINT)
    await removed.until(HINT)
    stop()
    before = list(removed.received)
    buses.publisher.publish(LAST)
    await remaining.until(LAST)
    assert removed.received == before


async def test_new_listener_receives_only_later_messages(buses: Buses) -> None:
    """The bus stores nothing: earlier changes are in the database."""
    early, late = RecordingListener(), RecordingListener()
    buses.receiver.listen(early)
    buses.publisher.publish(HINT)
    await early.until(HINT)
    buses.receiver.listen(late)
    buses.publisher.publish(LAST)
    assert await late.until(LAST) == {LAST}


async def test_listeners_can_be_added_and_removed_inside_a_listener(buses: Buses) -> None:
    """A message may start or stop a reader."""
    first, second = RecordingListener(), RecordingListener()

    def swap(_message: Message) -> None:
        stop()
        buses.receiver.listen(second)

    stop = buses.receiver.listen(swap)
    buses.receiver.listen(first)
    buses.publisher.publish(HINT)
    await first.until(HINT)
    buses.publisher.publish(LAST)
    await second.until(LAST)
    await first.until(LAST)


async def test_error_of_a_listener_is_logged_and_isolated(buses: Buses, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the publisher, whose change is committed already, nor other listeners see it."""

    def fail(_message: Message) -> None:
        raise RuntimeError("a defect")

    before, after = RecordingListener(), RecordingListener()
    buses.receiver.listen(before)
    buses.receiver.listen(fail)
    buses.receiver.listen(after)
    buses.publisher.publish(LAST)
    await before.until(LAST)
    await after.until(LAST)
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("ERROR", True)]


async def test_publishing_without_listeners_is_allowed(buses: Buses) -> None:
    """Nothing happens."""
    buses.publisher.publish(HINT)
    buses.publisher.publish(TICK)
