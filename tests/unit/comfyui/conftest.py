"""A fake of ComfyUI in the event loop of each test, and providers that use it."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.comfyui.provider import ComfyUIProvider
from providers.port import Order
from tests.support.comfyui import comfyui, provider
from tests.support.comfyui_state import FakeComfyUI
from tests.support.orders import an_order

NewProvider = Callable[..., ComfyUIProvider]


@pytest.fixture
async def fake() -> AsyncGenerator[FakeComfyUI]:
    """A server without prompts."""
    async with comfyui() as fake:
        yield fake


@pytest.fixture
async def new_provider(fake: FakeComfyUI) -> AsyncGenerator[NewProvider]:
    """Make providers, each as in a new process; they are closed in the end."""
    providers: list[ComfyUIProvider] = []

    def make(*arguments: Any, **settings: Any) -> ComfyUIProvider:
        providers.append(provider(fake, *arguments, **settings))
        return providers[-1]

    yield make
    for each in providers:
        await each.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """An order of one second that no worker has submitted before."""
    return an_order(tmp_path, duration_seconds=1.0, started_at=datetime.now(UTC), fresh=True)
