"""Callbacks of OpenRouter: verified, they wake the poll of their job or name the job of a lost order."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from providers.hosted.provider import HostedProvider
from providers.openrouter.webhooks import TOLERANCE_SECONDS, SigningSecret
from providers.port import Order
from server.providers.callbacks import callback_routes
from server.settings import Settings as ServerSettings
from tests.support.fake_service import running
from tests.support.openrouter import CALLBACKS, SECRET, FakeOpenRouter
from tests.support.orders import an_order, made
from tests.support.replicate import BRIEF
from tests.support.waiting import TIMEOUT_SECONDS


@pytest.fixture
async def service() -> AsyncGenerator[FakeOpenRouter]:
    service = FakeOpenRouter()
    async with running(service):
        yield service


@pytest.fixture
async def provider(service: FakeOpenRouter) -> AsyncGenerator[HostedProvider]:
    provider = service.provider(callbacks=CALLBACKS)
    yield provider
    await provider.close()


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return an_order(tmp_path, duration_seconds=1.0, fresh=True)


async def test_callback_about_the_order_of_a_dead_process_tells_its_job(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """Its clip is used."""
    await service.provider().submit(order)
    (job,) = service.jobs
    provider.on_callback(order.key, {"type": "video.generation.completed", "data": {"id": job, "status": "completed"}})
    await made(provider, replace(order, fresh=False))
    assert service.counts["create"] == 1


async def test_only_signed_callbacks_are_accepted(
    service: FakeOpenRouter, provider: HostedProvider, order: Order
) -> None:
    """By the route of the server; a forged or old one is answered with 401, one that is no object with 400."""
    service.hold = True
    await provider.submit(order)
    now = str(round(time.time()))
    old = str(round(time.time()) - TOLERANCE_SECONDS - 60)
    body = json.dumps({"data": {"id": "job-1"}}).encode()
    path = f"/callbacks/openrouter/{order.key}"
    app = Starlette(routes=callback_routes({"openrouter": provider}, ServerSettings()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        statuses: list[int] = []
        for timestamp, secret, content in (
            (now, SECRET, body),
            (now, "x", body),
            (old, SECRET, body),
            (now, SECRET, b"[]"),
        ):
            signature = SigningSecret(secret).signature(timestamp, content)
            headers = {"x-openrouter-signature": f"t={timestamp},v1={signature}"}
            statuses.append((await client.post(path, content=content, headers=headers)).status_code)
        statuses.append((await client.post(path, content=body)).status_code)
    assert statuses == [204, 401, 401, 400, 401]


async def test_callback_wakes_the_poll(service: FakeOpenRouter, order: Order) -> None:
    """The next one would come in an hour."""
    provider = service.provider(replace(BRIEF, poll=3600.0, give_up_after=30.0, refusals=30.0))
    steps = provider.follow(order, await provider.submit(order))
    async with asyncio.timeout(TIMEOUT_SECONDS), aclosing(steps):
        for _ in range(2):
            await anext(steps)
            provider.on_callback(order.key, {"data": {"id": "job-1"}})
        await anext(steps)
    await provider.close()
