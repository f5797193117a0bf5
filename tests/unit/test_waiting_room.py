"""The long poll of leased workers: requests that wait for takes."""

import asyncio

from coordinator.bus.port import DeliveriesDue, Hint, LeasedWork, LocalBus, Resync
from coordinator.bus.postgres import decode, encode
from coordinator.leases.waiting import WaitingRoom
from tests.support.waiting import TIMEOUT_SECONDS

LONG_SECONDS = 3_600.0


async def test_leased_work_and_lost_connections_begin_a_round_of_searches() -> None:
    """All requests search again; other messages do not wake them."""
    bus = LocalBus()
    room = WaitingRoom(bus)
    for message in (DeliveriesDue(), Hint("job", 1)):
        bus.publish(message)
    assert room.round == 0
    waiting = [asyncio.create_task(room.changed_since(0, LONG_SECONDS)) for _ in range(3)]
    await asyncio.sleep(0)
    bus.publish(LeasedWork())
    await asyncio.wait_for(asyncio.gather(*waiting), TIMEOUT_SECONDS)
    bus.publish(Resync())
    assert room.round == 2
    # A round that began before the request waited is not missed.
    await asyncio.wait_for(room.changed_since(1, LONG_SECONDS), TIMEOUT_SECONDS)


async def test_search_that_found_nothing_counts_for_one_round_and_kind() -> None:
    """It does not count when a new round began during the search."""
    room = WaitingRoom(LocalBus())
    room.note_nothing_for("wan", room.round)
    assert (room.nothing_for("wan"), room.nothing_for("ltx")) == (True, False)
    room.begin_round()
    assert not room.nothing_for("wan")
    room.note_nothing_for("wan", 0)
    assert not room.nothing_for("wan")


async def test_closing_the_long_poll_ends_all_waits() -> None:
    """Waiting requests are answered, and later ones do not wait."""
    room = WaitingRoom(LocalBus())
    waiting = asyncio.create_task(room.changed_since(room.round, LONG_SECONDS))
    await asyncio.sleep(0)
    room.close()
    await asyncio.wait_for(waiting, TIMEOUT_SECONDS)
    await asyncio.wait_for(room.changed_since(room.round, LONG_SECONDS), TIMEOUT_SECONDS)
    assert room.closed


def test_message_about_leased_work_reaches_other_processes() -> None:
    """It is distinct from due deliveries, although both are empty."""
    sent = [Hint("job", 3), LeasedWork(), DeliveriesDue()]
    (payload,) = encode("me", sent)
    sender, received = decode(payload)
    assert sender == "me"
    assert [(type(each), each) for each in received] == [(type(each), each) for each in sent]
