"""Rate limits of each caller."""

import asyncio
import time
from contextlib import ExitStack

import pytest
from starlette.requests import HTTPConnection

from models.domain.access import Viewer
from server.auth.identity import Identity
from server.configuration.setting_types import RateLimits
from server.limits.rates import Rates
from server.limits.sliding_window import SlidingWindow
from server.transports.rate_limiter import TooManyRequests
from server.transports.websocket.bucket import Bucket

FEW = RateLimits(requests=3, cost=100, connections=2, failed_logins=2, parallel_reads=1)


def caller(host: str = "192.0.2.1", user: str | None = None) -> HTTPConnection:
    """A connection from an address, authenticated if a user is given."""
    state = {} if user is None else {"identity": Identity(Viewer(user, user, ("user",)))}
    return HTTPConnection({"type": "http", "headers": [], "client": (host, 1), "state": state})


def test_request_limit_is_per_user() -> None:
    """From any address. The error contains the time to wait."""
    rates = Rates(FEW)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        rates.request(caller(host, "ada"))
    with pytest.raises(TooManyRequests) as refused:
        rates.request(caller("192.0.2.4", "ada"))
    assert 0 <= refused.value.retry_after_seconds <= 60
    assert (refused.value.extensions or {})["code"] == "RATE_LIMITED"
    assert int(refused.value.headers["retry-after"]) >= 1
    rates.request(caller("192.0.2.1", "bob"))


def test_request_limit_without_user_is_per_address() -> None:
    """For IPv6 per /64 network."""
    rates = Rates(FEW)
    for host in ("2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"):
        rates.request(caller(host))
    with pytest.raises(TooManyRequests):
        rates.request(caller("2001:db8::3"))
    rates.request(caller("2001:db8:0:1::1"))


def test_request_limit_does_not_depend_on_the_system_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back neither gives the user a new window nor keeps old windows in memory."""
    rates = Rates(FEW)
    for _ in range(FEW.requests):
        rates.request(caller(user="ada"))
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: an_hour_ago)
    with pytest.raises(TooManyRequests) as refused:
        rates.request(caller(user="ada"))
    assert 0 <= refused.value.retry_after_seconds <= 60


@pytest.mark.parametrize("amount", [1, 25, 60], ids=["one", "some", "many"])
@pytest.mark.parametrize("began_at", [6_000.0, 6_029.5, 6_059.9], ids=["early", "halfway", "late"])
def test_window_accepts_again_exactly_after_the_wait(began_at: float, amount: int) -> None:
    """Also when the wait reaches into the next window, and when the last window still counts in part."""
    now: float = began_at
    window = SlidingWindow(100, clock=lambda: now)
    for _ in range(3):
        while (wait := window.add("ada", amount)) is None:
            now += 0.25
        refused_at, now = now, now + wait - 0.01
        assert window.add("ada", amount) is not None
        now = refused_at + wait
        assert window.add("ada", amount) is None


def test_window_never_admits_twice_its_limit_around_its_end() -> None:
    """A burst before the end of one fixed window and after it is counted together."""
    now = 59.9
    window = SlidingWindow(100, clock=lambda: now)
    assert [window.add("ada", 1) for _ in range(100)] == [None] * 100
    now = 60.1  # 99.8 of the burst still count
    assert [window.add("ada", 1) is None for _ in range(2)] == [True, False]
    now = 90.0
    assert [window.add("ada", 1) is None for _ in range(50)] == [True] * 49 + [False]


def test_window_drops_counts_after_two_periods() -> None:
    """Memory holds only the callers of the last two windows."""
    now = 0.0
    window = SlidingWindow(1, clock=lambda: now)
    assert window.add("ada", 1) is None
    now = 121.0
    assert window.add("ada", 1) is None
    assert window.add("ada", 1) is not None


def test_amount_above_the_limit_is_never_accepted() -> None:
    """The wait is one window, so that clients do not repeat it at once."""
    window = SlidingWindow(10, clock=lambda: 5.0)
    assert window.add("ada", 11) == 60.0
    assert window.add("ada", 10) is None


def test_cost_limit_is_separate_from_request_limit() -> None:
    """A refused cost is not rates."""
    rates = Rates(FEW)
    rates.spend(caller(user="ada"), 60)
    with pytest.raises(TooManyRequests):
        rates.spend(caller(user="ada"), 60)
    rates.spend(caller(user="ada"), 40)


def test_failed_login_limit_is_per_address() -> None:
    """Requests of users at the same address are not affected."""
    rates = Rates(FEW)
    for _ in range(2):
        rates.failed_login(caller())
    with pytest.raises(TooManyRequests):
        rates.failed_login(caller())
    rates.request(caller(user="ada"))
    rates.failed_login(caller("192.0.2.2"))


def test_connection_limit_counts_open_connections_per_user() -> None:
    """A closed connection is no longer rates."""
    rates = Rates(FEW)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(rates.connection_slot(caller(user="ada")))
        with pytest.raises(TooManyRequests):
            stack.enter_context(rates.connection_slot(caller(user="ada")))
        stack.enter_context(rates.connection_slot(caller(user="bob")))
    with rates.connection_slot(caller(user="ada")):
        pass


def test_new_callers_share_one_count_above_the_limit_of_counted_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that were counted before keep their own counts."""
    monkeypatch.setattr("server.limits.sliding_window.COUNTED_CALLERS", 5)
    rates = Rates(FEW)
    for number in range(6):
        rates.request(caller(f"192.0.2.{number}"))
    for number in range(3):
        rates.request(caller(f"198.51.100.{number}"))
    with pytest.raises(TooManyRequests):
        rates.request(caller("198.51.100.9"))
    rates.request(caller("192.0.2.1"))


async def test_list_reads_of_one_user_wait_for_a_read_slot() -> None:
    """Reads of low cost and those of other users do not wait."""
    rates = Rates(FEW)
    order: list[str] = []
    release_first = asyncio.Event()

    async def read(user: str, name: str, cost: int) -> None:
        async with rates.read_slot(caller(user=user), cost):
            order.append(name)
            if name == "first":
                await release_first.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read("ada", "first", 50))
        second = tasks.create_task(read("ada", "second", 50))
        await tasks.create_task(read("ada", "small", 1))
        await tasks.create_task(read("bob", "bob's", 50))
        assert not second.done()
        release_first.set()
    assert order == ["first", "small", "bob's", "second"]


def test_token_bucket_refills_over_time() -> None:
    """Up to its burst size."""
    now = 100.0
    bucket = Bucket(3, 2, lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 1_000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
