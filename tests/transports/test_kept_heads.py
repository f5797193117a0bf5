"""Requests that are recognised by their head: on which connections, what ends them, and the memory that heads take."""

import asyncio
import gc
import logging
import tracemalloc

import pytest

from server.transports.limits import TransportLimits
from server.transports.short_path.kept_heads import MOST_CHARACTERS, KeptHeads
from tests.support.raw_http import RawConnection, raw_connection
from tests.support.renewals import SameState
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import eventually
from tests.transports.conftest import Start
from tests.transports.known_heads import ask, post
from tests.transports.log_records import warnings_in

SMALL_BYTES = 400_000


@pytest.fixture
def renewal() -> SameState:
    return SameState()


@pytest.fixture
def sample(renewal: SameState) -> Sample:
    return Sample(renewal=renewal)


def heads_of(served: Served) -> KeptHeads:
    """The heads that the server keeps."""
    return served.server.config.http_protocol_class.heads  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


async def test_third_request_with_a_head_is_recognised(known: RawConnection, renewal: SameState) -> None:
    """The first is parsed, the second recorded; other bodies of this length are recognised too."""
    assert renewal.answered_with == []
    assert (await ask(known, "{ hello }")).json == {"data": {"hello": "Hello world"}}
    assert (await ask(known, '{ hello(name: "Zoe") }')).json == {"data": {"hello": "Hello Zoe"}}
    assert renewal.answered_with == [200, 200]


async def test_other_connections_recognise_the_head(known: RawConnection, served: Served, renewal: SameState) -> None:
    """Already with their first request, whose deadline then ends."""
    async with raw_connection(served.host, served.port) as other:
        assert (await ask(other, "{ hello }")).status == 200
        assert renewal.answered_with == [200]
        assert not served.server.config.http_protocol_class.half_open  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


async def test_request_that_cannot_be_renewed_is_parsed(known: RawConnection, renewal: SameState) -> None:
    """The middleware decides about it."""
    renewal.refuses = True
    assert (await ask(known, "{ hello }")).status == 200
    assert renewal.answered_with == []


@pytest.mark.parametrize("parts", [1, 2, 3], ids=["one", "two", "three"])
async def test_requests_behind_a_recognised_one_wait_for_its_answer(
    known: RawConnection, sample: Sample, renewal: SameState, parts: int
) -> None:
    """Whole, or in parts that arrive while the first one is executed."""
    await known.send(post("{ held }"))
    await sample.probe.until(live=1)
    following = post('{ hello(name: "second") }') + post('{ hello(name: "third") }')
    size = len(following) // parts
    for start in range(0, len(following), size):
        await known.send(following[start : start + size])
        # Else all parts may arrive as one.
        await asyncio.sleep(0.02)
    sample.probe.release.set()
    bodies = [(await known.response()).json["data"] for _ in range(3)]
    assert bodies == [{"held": "released"}, {"hello": "Hello second"}, {"hello": "Hello third"}]
    assert (await ask(known, "{ hello }")).status == 200
    assert renewal.answered_with == [200, 200]


async def test_malformed_request_behind_a_recognised_one_is_refused_after_its_answer(
    known: RawConnection, sample: Sample
) -> None:
    """The answer comes first, then 400, then the end of the connection."""
    await known.send(post("{ held }"))
    await sample.probe.until(live=1)
    await known.send(b"no HTTP\r\n\r\n")
    sample.probe.release.set()
    assert (await known.response()).json == {"data": {"held": "released"}}
    assert (await known.response()).status == 400
    assert await known.rest() == b""


async def test_recognised_mutation_completes_after_its_connection_is_lost(
    known: RawConnection, sample: Sample, log: pytest.LogCaptureFixture
) -> None:
    """As one that was parsed, without a warning."""
    await known.send(post('mutation { writeSlowly(value: "x") }'))
    await sample.probe.until(live=1)
    known.writer.transport.abort()
    sample.probe.release.set()
    await sample.probe.until(written=1, live=0)
    assert warnings_in(log) == []


async def test_stop_waits_for_a_recognised_request(known: RawConnection, served: Served, sample: Sample) -> None:
    """Its response closes the connection."""
    await known.send(post("{ held }"))
    await sample.probe.until(live=1)
    for connection in list(served.server.server_state.connections):
        connection.shutdown()
    assert len(served.server.server_state.tasks) == 1
    sample.probe.release.set()
    response = await known.response()
    assert (response.headers["connection"], response.json) == ("close", {"data": {"held": "released"}})
    assert await known.rest() == b""


async def test_error_of_a_recognised_request_is_masked(known: RawConnection, log: pytest.LogCaptureFixture) -> None:
    """The connection goes on."""
    response = await ask(known, "{ fatal }")
    assert response.json["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in response.body.decode()
    assert (await ask(known, "{")).json["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert (await ask(known, "{ hello }")).status == 200


@pytest.mark.parametrize(
    "extra", [b"connection: close\r\n", b"expect: 100-continue\r\n", b"x: " + b"y" * MOST_CHARACTERS + b"\r\n"]
)
async def test_head_that_changes_the_connection_or_is_long_is_not_kept(served: Served, extra: bytes) -> None:
    """Such requests are parsed each time."""
    for _ in range(3):
        async with raw_connection(served.host, served.port) as connection:
            await connection.send(post("{ hello }", extra))
            while (response := await connection.response()).status == 100:
                pass
            assert response.status == 200
    assert len(heads_of(served)) == 0


async def test_kept_heads_take_no_more_memory_than_their_bound(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Clients may send any number of heads, of any size; the estimate is no less than what is allocated."""
    # Records of requests that pytest keeps are memory as well.
    caplog.set_level(logging.CRITICAL, "uvicorn.access")
    for attempt in "123":
        served = await start(Sample(limits=TransportLimits(kept_head_bytes=SMALL_BYTES), renewal=SameState()))
        heads = heads_of(served)
        async with raw_connection(served.host, served.port) as connection:
            await send_heads(connection, range(10))
            estimated = heads.bytes
            gc.collect()
            tracemalloc.start()
            await send_heads(connection, range(100, 130))
            gc.collect()
            allocated = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            estimated = heads.bytes - estimated
            await send_heads(connection, range(200, 300))
            await eventually(lambda: heads.bytes <= SMALL_BYTES)  # noqa: B023 # it ends before the next attempt
        assert 0 < len(heads) < 100
        # Other parts of the process allocate as well, such as a large table of its own that happens to grow meanwhile.
        if allocated <= estimated:
            break
        assert attempt != "3", (allocated, estimated)


async def send_heads(connection: RawConnection, numbers: range) -> None:
    """Send two requests with each of these heads, which are all different."""
    for number in numbers:
        for _ in range(2):
            extra = b"".join(b"x-%d: %d\r\n" % (number, each) for each in range(number % 60))
            assert (await ask(connection, "{ hello }", extra)).status == 200
