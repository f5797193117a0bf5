"""A fenced render stops and is canceled at its provider, whichever of three ways it learns of the fence by."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.renders import lease, render
from models.db.tables import SCENE
from models.domain.lifecycle import SceneStatus
from providers.port import Order, Progress, Rendered
from tests.support import jobs
from tests.support.fake_providers import Fake, Gate
from tests.support.server_app import App, running
from tests.support.waiting import eventually

NEVER_SECONDS = 3600.0


async def rendering(app: App, fake: Fake) -> jobs.Made:
    """Start a job of one scene and wait until its provider renders it."""
    made = await jobs.make(app, start=True, provider=fake.name)
    await eventually(lambda: fake.running == 1)
    return made


async def cancel_elsewhere(app: App, scene_id: str) -> None:
    """Cancel a scene as another process does: this one learns of it from the database alone."""
    async with app.container.store.write() as connection:
        canceled = sa.update(SCENE).where(SCENE.c.id == scene_id).values(status=SceneStatus.CANCELED)
        await connection.execute(canceled)


async def test_cancel_of_a_processing_scene_aborts_its_render_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that cancels it, without waiting for the next look at the fence."""
    monkeypatch.setattr(lease, "CHECK_SECONDS", NEVER_SECONDS)
    fake = Fake(Gate().cooperative)
    async with running(tmp_path, {fake.name: fake}) as app:
        made = await rendering(app, fake)
        await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
        await eventually(lambda: fake.canceled == fake.followed and fake.running == 0)


async def test_render_that_is_fenced_when_it_reports_progress_is_canceled_at_its_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is written only while the claim holds; a prediction that is of no use must not go on costing money."""
    monkeypatch.setattr(lease, "CHECK_SECONDS", NEVER_SECONDS)
    proceed = asyncio.Event()

    async def progress_later(_order: Order, _provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        yield Progress(0.1)
        await proceed.wait()
        yield Progress(0.9)
        await asyncio.Event().wait()

    fake = Fake(progress_later)
    async with running(tmp_path, {fake.name: fake}) as app:
        made = await rendering(app, fake)
        await cancel_elsewhere(app, made.scenes[0])
        await asyncio.sleep(render.TICK_SECONDS)
        proceed.set()
        await eventually(lambda: fake.canceled == fake.followed and fake.running == 0)


async def test_render_that_is_fenced_in_another_process_is_canceled_at_its_provider(tmp_path: Path) -> None:
    """A provider that reports nothing learns of it from the periodic look at the fence."""
    fake = Fake(Gate().cooperative)
    async with running(tmp_path, {fake.name: fake}) as app:
        made = await rendering(app, fake)
        await cancel_elsewhere(app, made.scenes[0])
        await eventually(lambda: fake.canceled == fake.followed and fake.running == 0)
