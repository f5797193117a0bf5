"""What `Change.write_scene` returns without a SELECT is what a SELECT returns."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from coordinator.commands.inputs import SceneBatch, SceneEdit
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from models.db.rows import SCENE_SELECT, SceneRow
from models.db.tables import SCENE
from models.domain.access import LOCAL
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.writes.change import Change
from providers.port import Failure
from tests.support.claiming import claim_ticket
from tests.support.domain import EXTERNAL, Domain, domain
from tests.support.statements import recorded

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

CLIP = {"output": {"key": "clip.mp4", "content_type": "video/mp4"}, "poster": {"key": "clip.webp"}}
BUSY = Failure("BUSY", "Try again.", retryable=True)
REFUSED = Failure("REFUSED", "Not this prompt.", retryable=False)
WRITES_A_SCENE = {kind for kind in EventType if kind.value.startswith("SCENE_")} - {EventType.SCENE_ADDED}


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[EventType]:
    """The kind of each event that wrote a scene; each returned row is compared with a SELECT in its transaction."""
    kinds: list[EventType] = []
    write_scene = Change.write_scene

    async def compare(
        change: Change, before: SceneRow, kind: EventType, changed: Sequence[str], **values: Any
    ) -> SceneRow:
        returned = await write_scene(change, before, kind, changed, **values)
        selected = await stored_scene(change, before.id)
        assert returned == selected
        assert [type(value) for value in returned] == [type(value) for value in selected]
        kinds.append(kind)
        return returned

    monkeypatch.setattr(Change, "write_scene", compare)
    return kinds


async def stored_scene(change: Change, scene_id: str) -> SceneRow:
    """Return the row that a SELECT in the transaction returns now."""
    selected = await (await change.connection()).execute(SCENE_SELECT.where(SCENE.c.id == scene_id))
    return SceneRow._make(selected.one())


async def a_claim(env: Domain) -> Claim:
    """Claim the scene of the newest ticket."""
    claim = await claim_ticket(env.store, env.tickets[-1], "worker")
    assert claim is not None
    return claim


async def test_a_written_scene_is_returned_as_a_select_returns_it(env: Domain, written: list[EventType]) -> None:
    """After every kind of event that writes a scene, with each combination of columns that the product writes."""
    job_id = await env.a_job(1, start=True)
    (target,) = await env.targets(job_id)
    # Edited, rendered, failed with a retry, completed.
    await env.scenes.update(LOCAL, target, {"title": "A title", "metadata": {"a": [1, 2.5, None]}})
    held = await a_claim(env)
    await claims.submitted(env.store, held, "order-1")
    await claims.failed(env.store, held, BUSY, backoff_seconds=0)
    held = await a_claim(env)
    await claims.submitted(env.store, held, "order-2")
    await claims.completed(env.store, held, CLIP)
    first_clip = (await env.job_state(job_id)).live[0].take_id
    # Regenerated, failed for good, shown with its earlier clip, deleted, restored.
    await env.scenes.regenerate(LOCAL, target, "another prompt")
    await claims.failed(env.store, await a_claim(env), REFUSED, backoff_seconds=0)
    await env.scenes.select_take(LOCAL, first_clip)
    await env.scenes.delete(LOCAL, target)
    await env.scenes.restore(LOCAL, target)
    # Regenerated without another prompt, canceled.
    await env.scenes.regenerate(LOCAL, target)
    await env.scenes.cancel(LOCAL, target)
    assert set(written) == WRITES_A_SCENE


@pytest.mark.parametrize("provider", ["scripted", EXTERNAL])
async def test_a_reported_scene_is_returned_as_a_select_returns_it(
    env: Domain, written: list[EventType], provider: str
) -> None:
    """Also when the report starts the job, which puts its scenes into the queue."""
    job_id = await env.a_job(4, provider=provider)
    completed, failed, canceled, edited = await env.targets(job_id)
    await env.scenes.update(LOCAL, completed, {"status": SceneStatus.PROCESSING, "provider_id": "p"})
    await env.scenes.update(LOCAL, completed, {"output_url": "https://example.com/clip.mp4", "percentage": 10.0})
    await env.scenes.update(LOCAL, completed, {"status": SceneStatus.COMPLETED})
    await env.scenes.update(LOCAL, failed, {"status": SceneStatus.FAILED, "prompt": "with another prompt"})
    await env.scenes.update(LOCAL, canceled, {"status": SceneStatus.CANCELED})
    await env.scenes.update(LOCAL, edited, {"provider_id": "p", "duration_seconds": 7.5, "title": "A title"})
    await env.jobs.cancel(LOCAL, job_id)
    assert len(written) == 7


def scenes_read(texts: list[str]) -> int:
    """Return the number of statements that read whole scenes."""
    return sum("scene.high_water AS high_water" in text for text in texts)


async def test_an_update_reads_its_scene_once(env: Domain) -> None:
    """Within the transaction, however many columns it writes."""
    job_id = await env.a_job(2, start=True)
    target, other = await env.targets(job_id)
    edits: list[SceneEdit] = [
        {"title": "A title"},
        {"status": SceneStatus.PROCESSING, "provider_id": "p"},
        {"percentage": 10.0},
    ]
    for edit in edits:
        async with recorded(env.store.database) as texts:
            await env.scenes.update(LOCAL, target, edit)
        assert scenes_read(texts) == 1, edit
    await env.scenes.cancel(LOCAL, other)
    async with recorded(env.store.database) as texts:
        await env.scenes.regenerate(LOCAL, other)
    assert scenes_read(texts) == 1


@pytest.mark.parametrize("scenes", [1, 20])
async def test_canceling_a_job_reads_all_its_scenes_in_one_select(env: Domain, scenes: int) -> None:
    """The number of SELECTs does not grow with the number of scenes."""
    job_id = await env.a_job(scenes, start=True)
    async with recorded(env.store.database) as texts:
        await env.jobs.cancel(LOCAL, job_id)
    assert scenes_read(texts) == 1
    assert (await env.job_state(job_id)).job.canceled == scenes


async def test_canceling_a_batch_reads_all_its_scenes_in_one_select(env: Domain) -> None:
    """Before they are canceled, and not again afterwards."""
    job_id = await env.a_job(5, start=True)
    targets = await env.targets(job_id)
    async with recorded(env.store.database) as texts:
        await env.batches.cancel(LOCAL, SceneBatch(job_id, [target.scene_id for target in targets]))
    assert scenes_read(texts) == 1
