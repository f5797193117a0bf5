"""How often one caller may ask."""

import asyncio
from contextlib import ExitStack

import pytest
from starlette.requests import HTTPConnection

from models.domain.access import Viewer
from server import rates
from server.auth.identity import Identity
from server.rates import RateLimits, Rates
from server.transports.bucket import Bucket
from server.transports.rate_limiter import TooManyRequests

FEW = RateLimits(requests=3, cost=100, connections=2, failed_logins=2, parallel_reads=1)


def caller(host: str = "192.0.2.1", user: str | None = None) -> HTTPConnection:
    """Somebody at an address, with or without a name."""
    state = {} if user is None else {"identity": Identity(Viewer(user, user, ("user",)))}
    return HTTPConnection({"type": "http", "headers": [], "client": (host, 1), "state": state})


def made(limits: RateLimits = FEW) -> Rates:
    """Rates that have counted nothing yet."""
    return Rates(limits)


def test_each_user_has_requests_of_their_own() -> None:
    """Wherever they come from; the refusal says when to come back."""
    counted = made()
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        counted.request(caller(host, "ada"))
    with pytest.raises(TooManyRequests) as refused:
        counted.request(caller("192.0.2.4", "ada"))
    assert 0 <= refused.value.retry_after_seconds <= 60
    assert (refused.value.extensions or {})["code"] == "RATE_LIMITED"
    assert int(refused.value.headers["retry-after"]) >= 1
    counted.request(caller("192.0.2.1", "bob"))


def test_nobody_is_counted_by_address() -> None:
    """A household of IPv6 is one address, and so is an IPv4 address in the clothes of IPv6."""
    counted = made()
    for host in ("2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"):
        counted.request(caller(host))
    with pytest.raises(TooManyRequests):
        counted.request(caller("2001:db8::3"))
    counted.request(caller("2001:db8:0:1::1"))


def test_cost_is_counted_beside_requests() -> None:
    """Few that are dear are as bad as many that are cheap."""
    counted = made()
    counted.spend(caller(user="ada"), 60)
    with pytest.raises(TooManyRequests):
        counted.spend(caller(user="ada"), 60)
    counted.spend(caller(user="ada"), 40)


def test_failed_logins_are_counted_by_address_alone() -> None:
    """Whoever has a valid token is never asked about them."""
    counted = made()
    for _ in range(2):
        counted.failed_login(caller())
    with pytest.raises(TooManyRequests):
        counted.failed_login(caller())
    counted.request(caller(user="ada"))
    counted.failed_login(caller("192.0.2.2"))


def test_open_connections_are_counted_while_they_are_open() -> None:
    """Per user."""
    counted = made()
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(counted.connection_slot(caller(user="ada")))
        with pytest.raises(TooManyRequests):
            stack.enter_context(counted.connection_slot(caller(user="ada")))
        stack.enter_context(counted.connection_slot(caller(user="bob")))
    with counted.connection_slot(caller(user="ada")):
        pass


def test_a_million_addresses_are_not_a_million_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come when the memory is full share one count; whoever was counted before keeps their own."""
    monkeypatch.setattr(rates, "COUNTED_CALLERS", 5)
    counted = made()
    for number in range(6):
        counted.request(caller(f"192.0.2.{number}"))
    for number in range(3):
        counted.request(caller(f"198.51.100.{number}"))
    with pytest.raises(TooManyRequests):
        counted.request(caller("198.51.100.9"))
    counted.request(caller("192.0.2.1"))


async def test_the_lists_of_one_user_are_read_in_turn() -> None:
    """What costs little goes on meanwhile, and so does everybody else."""
    counted = made()
    order: list[str] = []
    release = asyncio.Event()

    async def read(user: str, name: str, cost: int) -> None:
        async with counted.read_slot(caller(user=user), cost):
            order.append(name)
            if name == "first":
                await release.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read("ada", "first", 50))
        second = tasks.create_task(read("ada", "second", 50))
        await tasks.create_task(read("ada", "small", 1))
        await tasks.create_task(read("bob", "bob's", 50))
        assert not second.done()
        release.set()
    assert order == ["first", "small", "bob's", "second"]


def test_a_bucket_fills_again() -> None:
    """So many at once, and then as many as time allows."""
    now = 100.0
    bucket = Bucket(3, 2, lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 1_000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
