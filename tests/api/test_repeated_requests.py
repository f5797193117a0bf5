"""Repeated requests are recognised by their bytes: their answers are those of requests that are parsed and checked."""

import asyncio
import time
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from models.db.clock import now
from models.reads import revocations
from server.auth import revoked_subjects
from server.limits import rates
from server.limits.sliding_window import SlidingWindow
from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from tests.support.both_ways import Answer, BothWays, Way, both_ways
from tests.support.jobs import seeded
from tests.support.property_settings import scaled
from tests.support.raw_http import RawConnection
from tests.support.raw_samples import Samples, authorizations
from tests.support.tokens import token

SHORT_SECONDS = 600.0
CONNECTIONS = 3
CLOSING = (b"host: in valid", b"connection: close")


class Recognised:
    """Counts the requests that were executed past the parser."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        answer = KeptHeadProtocol._answer  # pyright: ignore[reportPrivateUsage] # the answers do not show it

        def counted(protocol: KeptHeadProtocol, *arguments: object) -> None:
            self.count += 1
            answer(protocol, *arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(KeptHeadProtocol, "_answer", counted)


@pytest.fixture
def recognised(monkeypatch: pytest.MonkeyPatch) -> Recognised:
    return Recognised(monkeypatch)


class Clock:
    """The system clock of the token checks, which a test can advance."""

    def __init__(self) -> None:
        self.seconds_ahead = 0.0
        self._time = time.time

    def __call__(self) -> float:
        return self._time() + self.seconds_ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    advanced = Clock()
    monkeypatch.setattr(time, "time", advanced)
    monkeypatch.setattr("server.auth.claims._now", advanced)
    return advanced


@pytest.fixture
async def ways(database: None, clock: Clock, tmp_path: Path) -> AsyncGenerator[BothWays]:
    """Two servers behind a trusted proxy, for pages of one origin."""
    settings = {
        "trusted_proxies": "127.0.0.1",
        "allowed_origins": "https://app.test",
        "persisted_queries": 10,
        "get_queries": True,
    }
    async with both_ways(tmp_path, **settings) as running:
        yield running


class Talk:
    """Sends the same bytes to both servers and compares what comes back."""

    def __init__(self, ways: BothWays, rng: Random, samples: Samples) -> None:
        self._ways = ways
        self._rng = rng
        self._samples = samples

    async def go_on(self, steps: int) -> None:
        """Send requests: alone, in parts, or two at once."""
        for _ in range(steps):
            requests = [self._samples.request() for _ in range(2 if self._rng.random() < 0.15 else 1)]
            data = b"".join(requests)
            # A connection that the server closes may be gone before the last part is sent.
            is_cut = self._rng.random() < 0.2 and not any(mark in data for mark in CLOSING)
            cuts = sorted(self._rng.sample(range(1, len(data)), 2)) if is_cut else []
            parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
            await self._send(parts, len(requests))

    async def repeat(self) -> None:
        """Send a valid request of each user a few times."""
        for request in self._samples.usual():
            for _ in range(5):
                await self._send([request], 1)

    async def _send(self, parts: list[bytes], expected: int) -> None:
        number = self._rng.randrange(CONNECTIONS)
        found = [await _answers(way, number, parts, expected) for way in self._ways.both]
        assert found[0] == found[1], parts
        logged = self._ways.log.taken()
        middle = len(logged) // 2
        assert logged[:middle] == logged[middle:], parts
        if any(("connection", "close") in answer.headers for answer in found[0]):
            for way in self._ways.both:
                del way.connections[number]


async def _answers(way: Way, number: int, parts: list[bytes], expected: int) -> list[Answer]:
    connection = await way.connection(number)
    for part in parts:
        await connection.send(part)
        if len(parts) > 1:
            await asyncio.sleep(0.001)
    answers: list[Answer] = []
    while len(answers) < expected and not (answers and ("connection", "close") in answers[-1].headers):
        answers.append(await _answer(connection))
    return answers


async def _answer(connection: RawConnection) -> Answer:
    response = await connection.response()
    return Answer.of(await connection.response() if response.status == 100 else response)


async def test_repeated_requests_are_answered_as_parsed_ones(
    ways: BothWays, recognised: Recognised, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status, headers, body and access log, also after a token has expired and another one was revoked."""
    rng, senders = seeded("repeated requests"), authorizations(SHORT_SECONDS)
    for _ in range(scaled(8)):
        await Talk(ways, rng, Samples(rng, senders)).go_on(100)
    talk = Talk(ways, rng, Samples(rng, senders))
    await talk.go_on(100)
    await talk.repeat()
    assert recognised.count > 0
    # While no revocation is read again, expiry alone ends a token.
    monkeypatch.setattr(revoked_subjects, "MAX_AGE_SECONDS", 3_600.0)
    clock.seconds_ahead = SHORT_SECONDS
    await talk.repeat()
    await talk.go_on(100)
    for way in ways.both:
        async with way.app.container.store.write() as connection:
            await revocations.revoke(connection, "rita", now())
    for seconds in (0.0, 3_600.0):
        monkeypatch.setattr(revoked_subjects, "MAX_AGE_SECONDS", seconds)
        await talk.repeat()
        await talk.go_on(100)
        await Talk(ways, rng, Samples(rng, senders)).go_on(100)


@pytest.mark.parametrize(
    "fields",
    [
        "x-request-id:mine",
        "x-request-id:  mine",
        "X-Request-ID:\tmine",
        "x-request-id:mine\r\nx-request-id: other",
        "x-request-id: mine\r\nx-request-id:other",
    ],
)
async def test_id_that_is_written_in_an_unusual_way_is_that_of_each_request(ways: BothWays, fields: str) -> None:
    """Also of repeated ones, in which no id is looked for at unusual places."""
    body = b'{"query": "{ __typename }"}'
    usual = f"host: a\r\ncontent-type: application/json\r\nauthorization: Bearer {token('amy')}\r\n{fields}\r\n"
    request = f"POST /graphql HTTP/1.1\r\n{usual}content-length: {len(body)}\r\n\r\n".encode() + body
    connection = await ways.recognising.connection(0)
    for _ in range(4):
        await connection.send(request)
        response = await connection.response()
        assert (response.status, response.headers["x-request-id"]) == (200, "mine")
    assert [line[-1] for line in ways.log.taken()] == ["mine"] * 4


@pytest.mark.parametrize("limits", [{"limit_requests": 12}, {"limit_cost_a_minute": 12}], ids=["requests", "cost"])
async def test_rate_limit_counts_repeated_requests(
    tmp_path: Path, limits: dict[str, int], recognised: Recognised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request is the first to be refused, whether requests are recognised or not."""
    monkeypatch.setattr(rates, "SlidingWindow", partial(SlidingWindow, clock=lambda: 30.0))
    rng, senders = seeded("repeated requests"), authorizations(SHORT_SECONDS)
    async with both_ways(tmp_path, limit_failed_logins=20, **limits) as ways:
        talk = Talk(ways, rng, Samples(rng, senders))
        await talk.repeat()
        await talk.repeat()
        await talk.repeat()
        assert recognised.count > 0
        await talk.go_on(100)
        await talk.repeat()
        await talk.repeat()
