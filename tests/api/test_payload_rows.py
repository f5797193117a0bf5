"""Payloads that are made from the rows of the change show what a read after the commit shows."""

from collections.abc import Mapping
from typing import Any

import pytest

from schema import context
from schema.loaders import Loaders
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.server_app import App

pytestmark = pytest.mark.both_databases

BOTH = "id title provider status version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter"
SCENE = f"{BOTH} jobId position prompt durationSeconds percentage providerId attempts maxAttempts nextAttemptAt"
JOB = f"{BOTH} ownerId"
READ = f"query($scene: ID!, $job: ID!) {{ scene(id: $scene) {{ {SCENE} }} job(id: $job) {{ {JOB} }} }}"


async def read(client: Client, scene_id: str, job_id: str) -> Json:
    return await client.execute(READ, scene=scene_id, job=job_id)


async def test_payload_shows_the_row_that_a_read_shows(app: App) -> None:
    """After each kind of change of a scene."""
    made = await jobs.make(app, *(jobs.scene() for _ in range(3)), provider="external")
    scene_id = made.scenes[0]
    steps: list[tuple[str, Mapping[str, Any]]] = [
        ("updateScene", {"title": "A title", "durationSeconds": 7}),
        ("updateScene", {"status": "PROCESSING", "providerId": "p"}),
        ("updateScene", {"percentage": 12.5}),
        ("updateScene", {"status": "FAILED"}),
        ("regenerateScene", {}),
        ("moveScene", {"position": 2}),
        ("cancelScene", {}),
    ]
    for name, fields in steps:
        payload = await app.mutate(name, f"scene {{ {SCENE} }} job {{ {JOB} }}", sceneId=scene_id, **fields)
        assert payload == await read(app, scene_id, made.id), (name, fields)


async def test_payload_of_columns_needs_no_read(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader would read, and is not made; it is made for a relation."""
    made = await jobs.make(app, jobs.scene(), provider="external")
    makings: list[str] = []

    def make(*arguments: Any) -> Loaders:
        makings.append("made")
        return Loaders(*arguments)

    monkeypatch.setattr(context, "Loaders", make)
    shown = "scene { title version } job { version status }"
    payload = await app.mutate("updateScene", shown, sceneId=made.scenes[0], title="A title")
    assert payload == {"scene": {"title": "A title", "version": 2}, "job": {"version": 2, "status": "PENDING"}}
    assert makings == []
    await app.mutate("updateScene", "scene { title takes { id } }", sceneId=made.scenes[0], title="Another")
    assert makings == ["made"]
