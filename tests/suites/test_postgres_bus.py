"""The Postgres bus: few notifications, each small enough, and a resync after lost ones."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.bus.port import Hint, Message, Resync, TokenRevoked
from coordinator.bus.postgres import CHANNEL, TICK_SECONDS, PostgresBus, decode, encode
from models.writes.change import Tick
from tests.support.postgres import Databases
from tests.support.postgres_processes import Process, process
from tests.support.property_settings import MODEST
from tests.support.waiting import eventually

LAST = Hint("job_last", 1)
# The limit of Postgres, https://www.postgresql.org/docs/current/sql-notify.html
MOST_BYTES = 7_999


class Env(NamedTuple):
    """Two processes with their buses, the messages that the second receives, and all payloads sent."""

    one: Process
    other: Process
    publisher: PostgresBus
    receiver: PostgresBus
    messages: list[Message]
    payloads: list[str]


@pytest.fixture
async def env(postgres: Databases) -> AsyncGenerator[Env]:
    with postgres.fresh() as url:
        async with process(url) as one, process(url) as other, process(url) as third:
            publisher, receiver = PostgresBus(one.listener), PostgresBus(other.listener)
            await publisher.start()
            await receiver.start()
            messages: list[Message] = []
            payloads: list[str] = []
            receiver.listen(messages.append)
            await third.listener.listen(CHANNEL, payloads.append)
            yield Env(one, other, publisher, receiver, messages, payloads)
            await publisher.stop()
            await receiver.stop()


async def disconnect(env: Env, which: Process) -> None:
    """Terminate the listening connection of a process, and wait until the process has noticed."""
    assert which.listener.up
    await terminate(env, which)
    await eventually(lambda: not which.listener.up)


async def terminate(env: Env, which: Process) -> None:
    """Terminate the listening connection of a process."""
    async with env.one.database.connect(env.one.database.reader) as connection:
        # All have the same name. The oldest are those of the fixture, in the order in which it made them.
        found = await connection.exec_driver_sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%listener' "
            "AND datname = current_database() ORDER BY backend_start"
        )
        pid = found.scalars().all()[[env.one, env.other].index(which)]
        await connection.exec_driver_sql("SELECT pg_terminate_backend($1)", (pid,))


async def test_burst_of_hints_is_merged_into_few_notifications(env: Env) -> None:
    """500 changes of ten jobs at once make at most three notifications, with the last version of each job."""
    for version in range(1, 51):
        for job in range(10):
            env.publisher.publish(Hint(f"job_{job}", version))
    last = {Hint(f"job_{job}", 50) for job in range(10)}
    await eventually(lambda: last <= set(env.messages))
    assert len(env.payloads) <= 3


async def test_hints_of_thousands_of_jobs_are_split_into_notifications(env: Env) -> None:
    """No notification exceeds the limit of Postgres, and all messages are received."""
    hints = {Hint(f"job_{number:026}", number) for number in range(1, 3001)}
    ticks = {Tick(f"job_{number:026}", f"scene_{number:026}") for number in range(3000)}
    for message in hints | ticks:
        env.publisher.publish(message)
    await eventually(lambda: hints | ticks <= set(env.messages))
    assert max(len(payload.encode()) for payload in env.payloads) <= MOST_BYTES


async def test_ticks_of_a_scene_are_sent_at_most_twice_a_second(env: Env) -> None:
    """However often they are published; the newest is still sent."""
    began = time.monotonic()
    while env.messages.count(Tick("job_1", "scene_1")) < 3:
        env.publisher.publish(Tick("job_1", "scene_1"))
        env.publisher.publish(Tick("job_1", "scene_2"))
        await asyncio.sleep(0.02)
    # The first is sent at once, the second and third an interval later each; a slow machine only adds to it.
    assert time.monotonic() - began >= 2 * TICK_SECONDS * 0.9
    sent = env.messages.count(Tick("job_1", "scene_1"))
    env.publisher.publish(Tick("job_1", "scene_1"))
    await eventually(lambda: env.messages.count(Tick("job_1", "scene_1")) > sent)


async def test_own_process_receives_a_message_directly_and_once(env: Env) -> None:
    """A process ignores its own notifications."""
    local: list[Message] = []
    env.publisher.listen(local.append)
    env.publisher.publish(LAST)
    assert local == [LAST]
    await eventually(lambda: LAST in env.messages and len(env.payloads) == 1)
    assert local == [LAST]


async def test_reconnected_process_receives_a_resync(env: Env) -> None:
    """Notifications during the outage are lost to it; later ones are received."""
    await disconnect(env, env.other)
    env.publisher.publish(Hint("job_1", 1))
    await eventually(lambda: Resync() in env.messages)
    env.publisher.publish(LAST)
    await eventually(lambda: LAST in env.messages)


async def test_hints_are_sent_after_an_outage_of_the_publisher(env: Env) -> None:
    """Hints that cannot be sent are kept until the connection is back."""
    await disconnect(env, env.one)
    for version in range(1, 6):
        env.publisher.publish(Hint("job_1", version))
    await eventually(lambda: Hint("job_1", 5) in env.messages)


async def test_pending_hints_are_sent_on_shutdown(env: Env) -> None:
    """The last changes of a process are not lost."""
    env.publisher.publish(LAST)
    await env.publisher.stop()
    await eventually(lambda: LAST in env.messages)


async def test_invalid_notification_is_logged_and_ignored(env: Env, caplog: pytest.LogCaptureFixture) -> None:
    """Another program may use the channel."""
    for payload in ("", "{}", "[]", '["x", 1]', '["x", [1]]', "\u6d77"):
        await env.one.listener.notify(CHANNEL, payload)
    env.publisher.publish(LAST)
    await eventually(lambda: LAST in env.messages)
    assert {record.levelname for record in caplog.records} == {"ERROR"}


HINTS = st.builds(Hint, st.text(min_size=1, max_size=80), st.integers(0, 2**53))
REVOKED = st.builds(TokenRevoked, st.builds("token_{}".format, st.text(max_size=60)))
TICKS = st.builds(Tick, st.text(max_size=80), st.text(max_size=80))


@MODEST
@given(st.lists(HINTS | TICKS | REVOKED, max_size=400), st.integers(1, 20))
def test_decoding_reverses_encoding(messages: list[Hint | Tick | TokenRevoked], times: int) -> None:
    """All messages in order, each payload with its sender and within the limit."""
    payloads = encode("me", messages * times)
    assert all(len(payload.encode()) <= MOST_BYTES for payload in payloads)
    decoded = [decode(payload) for payload in payloads]
    assert {sender for sender, _ in decoded} <= {"me"}
    assert [message for _, some in decoded for message in some] == messages * times


async def test_hint_that_waits_for_a_lost_connection_reaches_others(env: Env) -> None:
    """The hint is sent after the reconnect: the connection was lost while the hint waited for a statement."""
    await eventually(lambda: env.one.listener.up)
    statement = env.one.listener._connection_lock  # pyright: ignore[reportPrivateUsage] # no statement lasts long enough
    async with statement:
        await terminate(env, env.one)
        await eventually(lambda: waiting(statement) == 1)
        env.publisher.publish(LAST)
        await eventually(lambda: waiting(statement) == 2)
    await eventually(lambda: LAST in env.messages)


def waiting(lock: asyncio.Lock) -> int:
    """Return how many tasks wait for a lock."""
    return len(getattr(lock, "_waiters", None) or ())
