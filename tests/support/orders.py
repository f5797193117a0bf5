"""Orders for providers, and following them to their end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from providers.inspection.inspector import inspect
from providers.local import LocalProvider
from providers.port import Order, Progress, Provider, Rendered
from tests.support.waiting import TIMEOUT_SECONDS


def small_local() -> LocalProvider:
    """Make a local provider whose clips take a fraction of a second."""
    return LocalProvider(320, 180)


def an_order(workdir: Path, **changes: object) -> Order:
    """Make an order that each provider takes a second or so for."""
    plain = Order(
        key="take_1",
        number=1,
        prompt="A lighthouse at dusk, waves, slow push-in",
        title="Lighthouse",
        duration_seconds=1.5,
        metadata={"script": {"steps": 10, "stepSeconds": 0.02, "frames": True}},
        workdir=workdir,
    )
    return replace(plain, **changes)


def a_long_order(workdir: Path) -> Order:
    """Make an order that does not come to an end by itself while a test runs."""
    return an_order(workdir, duration_seconds=60.0, metadata={"script": {"outcome": "stall", "steps": 3}})


async def all_of(steps: AsyncGenerator[Progress | Rendered, None]) -> list[Progress | Rendered]:
    """Read an iterator to its end and close it."""
    async with aclosing(steps):
        return [step async for step in steps]


async def made(provider: Provider, order: Order) -> Rendered:
    """Submit an order and follow it to its result."""
    last = (await all_of(provider.follow(order, await provider.submit(order))))[-1]
    assert isinstance(last, Rendered)
    return last


async def looked_at(rendered: Rendered, order: Order) -> Rendered:
    """Return a result as it is after its caller has looked at the clip and made the pictures that are missing."""
    if rendered.checked:
        return rendered
    seen = await inspect(rendered.clip.path, order.workdir, order.duration_seconds)
    return Rendered(seen.clip, rendered.poster or seen.poster, rendered.preview or seen.preview)


async def drained(steps: AsyncGenerator[Progress | Rendered, None]) -> None:
    """Read an iterator to its end, or to its failure."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for _ in steps:
            pass
