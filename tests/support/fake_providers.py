"""Providers that a test controls."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress

from providers.catalogue import Model
from providers.port import Order, Progress, Rendered
from providers.sample import sample

# Takes any order that the API accepts.
ANY_MODEL = Model("any", 0.5, 60.0)
Follow = Callable[[Order, str], AsyncGenerator[Progress | Rendered]]


class Fake:
    """Renders a small clip at once, unless a test gives another `follow`. Records the calls."""

    name = "fake"

    def __init__(self, follow: Follow | None = None) -> None:
        self.submitted: list[str] = []
        self.followed: list[str] = []
        self.canceled: list[str] = []
        self.running = 0
        self.most_at_once = 0
        self.on_submit: Callable[[Order], Awaitable[None]] | None = None
        self._follow = follow or at_once

    async def models(self) -> Sequence[Model]:
        """Return the only model."""
        return (ANY_MODEL,)

    async def submit(self, order: Order) -> str:
        """Accept the order."""
        self.submitted.append(order.prompt)
        if self.on_submit is not None:
            await self.on_submit(order)
        return f"fake-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Follow the order with the given function, and count the concurrent renders."""
        self.followed.append(provider_id)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            async with aclosing(self._follow(order, provider_id)) as steps:
                async for step in steps:
                    yield step
        finally:
            self.running -= 1

    async def cancel(self, provider_id: str) -> None:
        """Record the cancel."""
        self.canceled.append(provider_id)

    async def close(self) -> None:
        """Do nothing: no resources are held."""


async def at_once(order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
    """Report half of the progress, then the clip."""
    yield Progress(0.5)
    yield sample().write(order.workdir)


class Gate:
    """Functions that follow an order until the test opens the gate."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def cooperative(self, order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Wait for the gate, or stop when cancelled."""
        yield Progress(0.5)
        await self.open.wait()
        yield sample().write(order.workdir)

    async def stubborn(self, order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Ignore cancellation, wait for the gate and return a late result."""
        yield Progress(0.5)
        while not self.open.is_set():
            with suppress(asyncio.CancelledError):
                await self.open.wait()
        yield sample().write(order.workdir)
