"""Clips of OpenRouter and fal, end to end: the real server against fakes of their APIs."""

import json
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from providers.openrouter.webhooks import SigningSecret
from tests.support import fal, jobs, openrouter
from tests.support.fake_service import FakeService, running
from tests.support.fal import FakeFal
from tests.support.openrouter import FakeOpenRouter
from tests.support.server_app import App
from tests.support.server_app import running as serving
from tests.support.waiting import eventually

CALLBACKS = "https://scenewire.test"
SCENE = {"prompt": "A lighthouse at dusk", "durationSeconds": 1.0}
TAKE = """scenes { nodes { status failure { code } output { contentType } poster { url } currentTake {
    settings { model aspectRatio resolution seed } ignored cost { amount currency } metrics } } }"""
MODELS = "query ($provider: String) { models(provider: $provider) { name available unavailableReason } }"


@pytest.fixture
async def router() -> AsyncGenerator[FakeOpenRouter]:
    service = FakeOpenRouter()
    async with running(service):
        yield service


@pytest.fixture
async def queue() -> AsyncGenerator[FakeFal]:
    service = FakeFal()
    async with running(service):
        yield service


def of_router(service: FakeOpenRouter, **changes: Any) -> Mapping[str, Any]:
    """Return what a server needs to buy at the fake of OpenRouter."""
    return {
        "provider": "openrouter",
        "openrouter_token": service.token,
        "openrouter_api_url": service.address,
        "openrouter_callback_url": CALLBACKS,
        "openrouter_webhook_secret": openrouter.SECRET,
        "openrouter_poll_seconds": 0.05,
        **changes,
    }


def of_fal(service: FakeFal) -> Mapping[str, Any]:
    """Return what a server needs to buy at the fake of fal."""
    return {
        "provider": "fal",
        "fal_token": service.token,
        "fal_models": [fal.MODEL],
        "fal_queue_url": service.origin,
        "fal_api_url": f"{service.origin}/v1",
        "fal_poll_seconds": 0.05,
    }


async def available(app: App, provider: str) -> list[Any]:
    """Wait until the models of a provider are available; return their names."""

    async def all_are() -> bool:
        models = (await app.execute(MODELS, provider=provider))["models"]
        return bool(models) and all(each["available"] for each in models)

    await eventually(all_are)
    return [each["name"] for each in (await app.execute(MODELS, provider=provider))["models"]]


async def only_scene(app: App, job: jobs.Made) -> Any:
    assert await jobs.settled(app, job.id) == "COMPLETED"
    (scene,) = (await jobs.job(app, job.id, TAKE))["scenes"]["nodes"]
    assert scene["output"]["contentType"] == "video/mp4"
    assert scene["poster"] is not None
    return scene


def traces_of(service: FakeService, *kinds: str) -> set[str]:
    """Return the traces to which requests of these kinds belong."""
    return {each.headers["traceparent"] for each in service.asked if service.kind(each) in kinds}


async def test_scene_gets_a_clip_of_openrouter_and_its_price(router: FakeOpenRouter, tmp_path: Path) -> None:
    """With the settings of its job; the take shows the seed that was used."""
    settings = {"model": openrouter.VEO, "aspectRatio": "9:16", "resolution": "P1080"}
    async with serving(tmp_path, **of_router(router)) as app:
        assert await available(app, "openrouter") == [openrouter.VEO, openrouter.PLAIN]
        job = await jobs.make(app, SCENE, start=True, settings=settings)
        take = (await only_scene(app, job))["currentTake"]
    (body,) = router.bodies("create")
    assert (body["aspect_ratio"], body["resolution"], body["duration"]) == ("9:16", "1080p", 1)
    assert take["settings"] == {**settings, "model": f"openrouter/{openrouter.VEO}", "seed": body["seed"]}
    assert take["cost"] == {"amount": "0.35", "currency": "USD"}
    assert take["ignored"] == []
    assert len(traces_of(router, "create", "get")) == 1


async def test_scene_gets_a_clip_of_fal(queue: FakeFal, tmp_path: Path) -> None:
    """By the schema of its model; what is not in it is refused before anything is bought."""
    async with serving(tmp_path, **of_fal(queue)) as app:
        assert await available(app, "fal") == [fal.MODEL]
        refused = await app.execute(
            'mutation { createJob(input: {title: "t", start: true, settings: {aspectRatio: "1:1"}, '
            'scenes: [{prompt: "p", durationSeconds: 1}]}) { errors { code ... on NotSupportedError { allowed } } } }'
        )
        assert refused["createJob"]["errors"] == [{"code": "NOT_SUPPORTED", "allowed": ["16:9", "9:16"]}]
        job = await jobs.make(app, SCENE, start=True, settings={"seed": 7})
        take = (await only_scene(app, job))["currentTake"]
    assert take["settings"]["seed"] == 7
    assert take["metrics"] == {"inferenceSeconds": 3.7}
    assert len(queue.jobs) == 1
    assert len(traces_of(queue, "create")) == 1


async def test_signed_callback_wakes_the_render(router: FakeOpenRouter, tmp_path: Path) -> None:
    """It needs no token of the server; the next poll would come in a minute."""
    router.hold = True
    async with serving(tmp_path, **of_router(router, openrouter_poll_seconds=60.0)) as app:
        await available(app, "openrouter")
        job = await jobs.make(app, SCENE, start=True)
        await eventually(lambda: router.counts["get"] >= 1)
        router.release()
        (bought,) = router.jobs.values()
        assert bought.callback is not None
        bought.looks = router.looks
        await eventually(lambda: _called(app, router, bought.callback or ""))
        await only_scene(app, job)


async def _called(app: App, router: FakeService, callback: str) -> bool:
    """Send a callback; return whether its render has looked at the job again."""
    body = json.dumps({"type": "video.generation.completed", "data": {"id": "job-1"}}).encode()
    now = str(round(time.time()))
    signature = SigningSecret(openrouter.SECRET).signature(now, body)
    headers = {"x-openrouter-signature": f"t={now},v1={signature}"}
    response = await app.http.post(callback.removeprefix(CALLBACKS), content=body, headers=headers)
    assert response.status_code == 204
    return router.counts["get"] > 1
