"""A render whose scene is canceled, settled or deleted meanwhile: it is aborted, and its late result is dropped."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.renders import lease
from models.db.tables import SCENE
from providers.local import LocalProvider
from providers.port import Order, Progress, Rendered
from tests.support import jobs
from tests.support.client import Json
from tests.support.fake_providers import Fake, Gate
from tests.support.os_processes import children_of, on_linux
from tests.support.renders import TAKES, is_processing, scene, single_provider
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

JOB_STATE = f"""
title status version progress {{ percentage completed failed canceled processing pending }}
scenes(includeDeleted: true) {{ nodes {{
    id status version attempts providerId output {{ url }} poster {{ url }} failure {{ code }} deletedAt {TAKES}
}} }}
events {{ version type }}
"""

ABORTS: dict[str, list[tuple[str, Json]]] = {
    "canceled": [("cancelScene", {})],
    "canceled with its job": [("cancelJob", {})],
    "reported completed": [("updateScene", {"status": "COMPLETED", "outputUrl": "https://example.com/clip.mp4"})],
    "reported failed": [("updateScene", {"status": "FAILED", "failure": {"code": "MINE", "message": "Mine."}})],
    "deleted": [("cancelJob", {}), ("deleteScene", {})],
}


async def abort(app: App, made: jobs.Made, how: str) -> None:
    """Run these mutations on the first scene or its job."""
    for name, fields in ABORTS[how]:
        target = {"jobId": made.id} if name == "cancelJob" else {"sceneId": made.scenes[0]}
        await jobs.change(app, name, **target, **fields)


@pytest.fixture
def no_lease_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the periodic lease check off: only the direct abort can stop a render."""
    monkeypatch.setattr(lease, "CHECK_SECONDS", 3_600.0)


class TestAbortedRender:
    """Its scene is canceled, settled by a report, or deleted while it runs."""

    @pytest.mark.usefixtures("no_lease_checks")
    @pytest.mark.parametrize("how", ABORTS)
    async def test_aborted_render_stops_and_is_canceled_at_the_provider(self, tmp_path: Path, how: str) -> None:
        """By the direct abort, without the periodic lease check."""
        fake = Fake(Gate().cooperative)
        async with running(tmp_path, single_provider(fake), provider="external") as app:
            made = await jobs.make(app, jobs.scene(), jobs.scene(), provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            before = fake.running
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await abort(app, made, how)
                stopped = 2 if "cancelJob" in str(ABORTS[how]) else 1
                await eventually(lambda: fake.running == before - stopped and len(fake.canceled) == stopped)
            assert set(fake.canceled) <= set(fake.followed)

    @on_linux
    @pytest.mark.usefixtures("no_lease_checks")
    async def test_canceled_scene_ends_the_process_of_its_render(self, tmp_path: Path) -> None:
        """Rendering a clip of a minute would keep a core busy for long."""
        async with running(tmp_path, single_provider(LocalProvider(320, 180)), provider="external") as app:
            before = children_of(os.getpid())
            made = await jobs.make(app, {"prompt": "Waves", "durationSeconds": 60}, provider="local", start=True)
            await eventually(lambda: is_processing(app, made.id))
            assert len(children_of(os.getpid())) == len(before) + 1
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
                await eventually(lambda: children_of(os.getpid()) == before)

    @pytest.mark.parametrize("how", ABORTS)
    async def test_late_result_of_an_aborted_render_changes_nothing(self, tmp_path: Path, how: str) -> None:
        """Neither state nor log nor files change when the provider ignores cancellation."""
        gate = Gate()
        fake = Fake(gate.stubborn)
        async with running(tmp_path, single_provider(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            await abort(app, made, how)
            before = await jobs.job(app, made.id, JOB_STATE)
            gate.open.set()
            await eventually(lambda: fake.running == 0)
            # A later render gets the slot only after the aborted one has finished completely.
            later = await jobs.make(app, provider="fake", start=True)
            assert await jobs.settled(app, later.id) == "COMPLETED"
            assert await jobs.job(app, made.id, JOB_STATE) == before
            assert [path for path in (tmp_path / "media").rglob("*") if made.id in path.parts and path.is_file()] == []

    async def test_late_result_of_a_canceled_take_is_not_used_for_the_next_take(self, tmp_path: Path) -> None:
        """After cancel and regenerate both takes run at once; the new take records only its own clip."""
        gates = [Gate(), Gate()]
        takes = iter([gates[0].stubborn, gates[1].cooperative])

        async def follow(order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
            async with aclosing(next(takes)(order, provider_id)) as steps:
                async for step in steps:
                    yield step

        fake = Fake(follow)
        async with running(tmp_path, single_provider(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            await jobs.change(app, "cancelScene", sceneId=made.scenes[0])
            await jobs.change(app, "regenerateScene", sceneId=made.scenes[0])
            await eventually(lambda: is_processing(app, made.id))
            assert fake.running == 2
            before = await jobs.job(app, made.id, JOB_STATE)
            gates[0].open.set()
            await eventually(lambda: fake.running == 1)
            assert await jobs.job(app, made.id, JOB_STATE) == before
            gates[1].open.set()
            assert await jobs.settled(app, made.id) == "COMPLETED"
            takes_after = (await scene(app, made.id, "takes { number status providerId output { url } }"))["takes"]
        assert [(take["number"], take["status"], take["output"] is not None) for take in takes_after] == [
            (2, "COMPLETED", True),
            (1, "CANCELED", False),
        ]
        assert [take["providerId"] for take in takes_after] == fake.followed[::-1]

    async def test_queued_scene_that_is_canceled_is_never_submitted(self, tmp_path: Path) -> None:
        """It is canceled before a render slot is free."""
        gate = Gate()
        fake = Fake(gate.cooperative)
        async with running(tmp_path, single_provider(fake), provider="external", render_concurrency=1) as app:
            made = await jobs.make(app, *(jobs.scene(str(n)) for n in range(3)), provider="fake", start=True)
            await eventually(lambda: fake.running == 1)
            await jobs.change(app, "cancelScene", sceneId=made.scenes[1])
            gate.open.set()
            assert await jobs.settled(app, made.id) == "CANCELED"
        assert fake.submitted == ["0", "2"]

    async def test_fenced_render_does_not_cancel_its_order(self, tmp_path: Path) -> None:
        """Another worker has taken the render over and follows the same order."""
        fake = Fake(Gate().cooperative)
        async with running(tmp_path, single_provider(fake), provider="external") as app:
            made = await jobs.make(app, provider="fake", start=True)
            await eventually(lambda: is_processing(app, made.id))
            async with app.container.store.write() as connection:
                await connection.execute(sa.update(SCENE).values(run=SCENE.c.run + 1, leased_by="another"))
            await eventually(lambda: fake.running == 0)
            assert (await scene(app, made.id, "status"))["status"] == "PROCESSING"
        assert fake.canceled == []
