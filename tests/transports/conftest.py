"""A served sample application, an HTTP client, and the log."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack

import httpx
import pytest
import uvloop

from tests.support.client import NO_AUTHORITIES
from tests.support.raw_http import RawConnection, raw_connection
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served, serve
from tests.transports.known_heads import ask

Start = Callable[[Sample], Awaitable[Served]]

BOTH_LOOPS = {"test_disconnects.py", "test_slow_peers.py", "test_sse.py"}  # loops differ in writing and buffering


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the event loop of production; some files on the standard library's as well."""
    if item.path.name in BOTH_LOOPS:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
async def start() -> AsyncGenerator[Start]:
    """Return a function that serves a sample until the test ends."""
    async with AsyncExitStack() as stack:

        async def start_sample(sample: Sample) -> Served:
            return await stack.enter_async_context(serve(sample.app(), sample.connections, sample.limits))

        yield start_sample


@pytest.fixture
async def served(start: Start, sample: Sample) -> Served:
    return await start(sample)


@pytest.fixture
async def http(served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.origin, verify=NO_AUTHORITIES) as client:
        yield client


@pytest.fixture
async def connection(served: Served) -> AsyncGenerator[RawConnection]:
    async with raw_connection(served.host, served.port) as connection:
        yield connection


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Generator[pytest.LogCaptureFixture]:
    """The records of all loggers from level INFO."""
    with caplog.at_level(logging.INFO):
        yield caplog


@pytest.fixture
async def known(served: Served) -> AsyncGenerator[RawConnection]:
    """A connection, after which the next request of `post` is recognised."""
    async with raw_connection(served.host, served.port) as connection:
        for _ in range(2):
            assert (await ask(connection, "{ hello }")).status == 200
        yield connection
