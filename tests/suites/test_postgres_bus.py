"""What the bus in Postgres promises beyond what every bus does: few notifications, and none missing for long."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.bus.port import Hint, Message, Resync
from coordinator.bus.postgres import CHANNEL, PostgresBus, decode, encode
from models.writes.change import Tick
from tests.support.postgres import Databases
from tests.support.postgres_processes import Process, process
from tests.support.property_settings import MODEST
from tests.support.waiting import eventually

LAST = Hint("job_last", 1)
# What Postgres takes, https://www.postgresql.org/docs/current/sql-notify.html
MOST_BYTES = 7_999


class World(NamedTuple):
    """Two processes with their buses, what the second is told, and what goes over the wire."""

    one: Process
    other: Process
    said: PostgresBus
    heard: PostgresBus
    messages: list[Message]
    payloads: list[str]


@pytest.fixture
async def world(postgres: Databases) -> AsyncGenerator[World]:
    with postgres.fresh() as url:
        async with process(url) as one, process(url) as other, process(url) as third:
            said, heard = PostgresBus(one.listener), PostgresBus(other.listener)
            await said.start()
            await heard.start()
            messages: list[Message] = []
            payloads: list[str] = []
            heard.listen(messages.append)
            await third.listener.listen(CHANNEL, payloads.append)
            yield World(one, other, said, heard, messages, payloads)
            await said.stop()
            await heard.stop()


async def cut(world: World, which: Process) -> None:
    """Cut the listening connection of a process."""
    assert which.listener.up
    async with world.one.database.connect(world.one.database.reader) as connection:
        # The names are the same within this process: the newest of the oldest three are those of the fixture, in order.
        found = await connection.exec_driver_sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%listener' "
            "AND datname = current_database() ORDER BY backend_start"
        )
        pid = found.scalars().all()[[world.one, world.other].index(which)]
        await connection.exec_driver_sql("SELECT pg_terminate_backend($1)", (pid,))
    await eventually(lambda: not which.listener.up)


async def test_a_burst_is_joined(world: World) -> None:
    """Five hundred changes of ten jobs within a moment are a few notifications, and nothing is missing in the end."""
    for version in range(1, 51):
        for job in range(10):
            world.said.publish(Hint(f"job_{job}", version))
    last = {Hint(f"job_{job}", 50) for job in range(10)}
    await eventually(lambda: last <= set(world.messages))
    assert len(world.payloads) <= 3


async def test_thousands_of_jobs_at_once(world: World) -> None:
    """However many there are, no notification is too long, and all arrive."""
    hints = {Hint(f"job_{number:026}", number) for number in range(1, 3001)}
    ticks = {Tick(f"job_{number:026}", f"scene_{number:026}") for number in range(3000)}
    for message in hints | ticks:
        world.said.publish(message)
    await eventually(lambda: hints | ticks <= set(world.messages))
    assert max(len(payload.encode()) for payload in world.payloads) <= MOST_BYTES


async def test_ticks_cross_twice_a_second_a_scene(world: World) -> None:
    """However often a render gets on; and the newest is not swallowed."""
    began = time.monotonic()
    published = 0
    while time.monotonic() - began < 1.3:
        world.said.publish(Tick("job_1", "scene_1"))
        world.said.publish(Tick("job_1", "scene_2"))
        published += 1
        await asyncio.sleep(0.02)
    at = len([message for message in world.messages if message == Tick("job_1", "scene_1")])
    assert published > 20
    assert 2 <= at <= 4
    await eventually(lambda: world.messages.count(Tick("job_1", "scene_1")) > at, 2.0)


async def test_here_it_is_heard_at_once_and_only_once(world: World) -> None:
    """A process does not hear its own notifications, and does not wait for them."""
    here: list[Message] = []
    world.said.listen(here.append)
    world.said.publish(LAST)
    assert here == [LAST]
    await eventually(lambda: LAST in world.messages and len(world.payloads) == 1)
    assert here == [LAST]


async def test_who_was_cut_off_is_told_to_compare(world: World) -> None:
    """What was said meanwhile is lost to it; from then on it hears everything again."""
    await cut(world, world.other)
    world.said.publish(Hint("job_1", 1))
    await eventually(lambda: Resync() in world.messages, 5.0)
    world.said.publish(LAST)
    await eventually(lambda: LAST in world.messages)


async def test_what_could_not_be_said_is_said_later(world: World) -> None:
    """Others must not have to find out by themselves."""
    await cut(world, world.one)
    for version in range(1, 6):
        world.said.publish(Hint("job_1", version))
    await eventually(lambda: Hint("job_1", 5) in world.messages, 5.0)


async def test_what_was_gathered_is_said_before_the_end(world: World) -> None:
    """The last changes of a process that stops are not lost."""
    world.said.publish(LAST)
    await world.said.stop()
    await eventually(lambda: LAST in world.messages)


async def test_what_is_not_understood_harms_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Another program may use the channel; the operator is told."""
    for payload in ("", "{}", "[]", '["x", 1]', '["x", [1]]', "\u6d77"):
        await world.one.listener.notify(CHANNEL, payload)
    world.said.publish(LAST)
    await eventually(lambda: LAST in world.messages)
    assert {record.levelname for record in caplog.records} == {"ERROR"}


HINTS = st.builds(Hint, st.text(min_size=1, max_size=80), st.integers(0, 2**53))
TICKS = st.builds(Tick, st.text(max_size=80), st.text(max_size=80))


@MODEST
@given(st.lists(HINTS | TICKS, max_size=400), st.integers(1, 20))
def test_what_is_packed_is_unpacked(messages: list[Hint | Tick], times: int) -> None:
    """All of it, in order, with its sender, in as many payloads as it takes."""
    payloads = encode("me", messages * times)
    assert all(len(payload.encode()) <= MOST_BYTES for payload in payloads)
    unpacked = [decode(payload) for payload in payloads]
    assert {sender for sender, _ in unpacked} <= {"me"}
    assert [message for _, some in unpacked for message in some] == messages * times
