"""The implementations of the provider port, as the conformance suites run them: one line for each in CASES."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from providers.port import Provider
from providers.scripted import ScriptedProvider
from tests.support import comfyui, leased_provider
from tests.support.described_replicate import DescribedReplicate
from tests.support.fake_service import running
from tests.support.fal import FakeFal
from tests.support.openrouter import FakeOpenRouter
from tests.support.orders import small_local
from tests.support.replicate import OURS, STRANGE, FakeReplicate
from tests.support.waiting import TIMEOUT_SECONDS

Maker = Callable[[], Provider]
Serving = Callable[[], AbstractContextManager[Any]]
Making = Callable[[Any], AbstractAsyncContextManager[Maker]]


@dataclass(frozen=True, slots=True)
class Case:
    """One implementation; `name` is its test id.

    `serving` starts what it talks to, once for all tests of a module; `making` gets that, makes it forget the test
    before, and gives a function that returns a provider, a new one each time as after a restart. Its default model can
    make clips of `duration_seconds`, and long ones of `long_seconds`.

    `checked` and `repeatable` are those of its results; `shows_frames` says whether its progress has pictures, and
    `reports_progress` whether it has fractions. `fresh`: orders of the suites were not submitted before, because the
    service does not know whether another process has bought one. `costly`: it takes a second of CPU for each test.
    """

    name: str
    making: Making
    serving: Serving = nullcontext
    duration_seconds: float = 1.5
    long_seconds: float = 60.0
    checked: bool = False
    repeatable: bool = False
    shows_frames: bool = False
    reports_progress: bool = True
    fresh: bool = False
    costly: bool = False


def closing(make: Maker) -> Making:
    """Return how providers are made that need no server; they are closed in the end."""

    @asynccontextmanager
    async def making(_: object) -> AsyncGenerator[Maker]:
        made: list[Provider] = []

        def remembered() -> Provider:
            made.append(make())
            return made[-1]

        yield remembered
        for provider in made:
            await provider.close()

    return making


@contextmanager
def _replicate(program: str) -> Generator[FakeReplicate]:
    fake = FakeReplicate(program)
    try:
        yield fake
    finally:
        fake.stop()


@asynccontextmanager
async def _buying(fake: FakeReplicate) -> AsyncGenerator[Maker]:
    fake.command("reset")
    async with closing(fake.provider)(fake) as make:
        yield make


@asynccontextmanager
async def _comfyui(_: object) -> AsyncGenerator[Maker]:
    # Only the messages of the socket lead to a look at the history: none of them may be missed.
    pace = replace(comfyui.QUICK, poll=TIMEOUT_SECONDS)
    async with comfyui.comfyui() as server, closing(lambda: comfyui.provider(server, pace))(server) as make:
        yield make


def _hosted(new: Callable[[], FakeOpenRouter | FakeFal | DescribedReplicate]) -> Making:
    """Return how providers of a fake service are made, which runs in the event loop of a test."""

    @asynccontextmanager
    async def making(_: object) -> AsyncGenerator[Maker]:
        service = new()
        async with running(service), closing(service.provider)(service) as make:
            yield make

    return making


CASES = (
    Case("local", closing(small_local), checked=True, repeatable=True, shows_frames=True),
    Case("scripted", closing(ScriptedProvider), checked=True, repeatable=True, shows_frames=True),
    Case("replicate", _buying, partial(_replicate, OURS)),
    Case("replicate by its documentation", _buying, partial(_replicate, STRANGE)),
    Case("replicate by schemas", _hosted(DescribedReplicate), duration_seconds=1.0, long_seconds=8.0),
    Case(
        "openrouter",
        _hosted(FakeOpenRouter),
        duration_seconds=1.0,
        long_seconds=8.0,
        reports_progress=False,
        fresh=True,
    ),
    Case("fal", _hosted(FakeFal), duration_seconds=1.0, long_seconds=8.0, fresh=True),
    Case("comfyui", _comfyui, repeatable=True, shows_frames=True),
    Case("leased", leased_provider.leasing, leased_provider.serving, checked=True, shows_frames=True, costly=True),
)
