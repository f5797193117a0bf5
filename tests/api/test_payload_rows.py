"""Payloads that are made from the rows of the change show what a read after the commit shows."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from resolvers import answers
from schema import context
from schema.loaders import Loaders
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.server_app import App

pytestmark = pytest.mark.both_databases

Interruption = Callable[[Any], Awaitable[object]]

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


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[Interruption]:
    """What is done between the commit of a mutation and its payload, with the id that the command has returned."""
    interruptions: list[Interruption] = []
    attempt = answers.attempt

    async def attempt_and_interrupt(command: Awaitable[Any]) -> Any:
        outcome = await attempt(command)
        while interruptions:
            await interruptions.pop()(outcome)
        return outcome

    monkeypatch.setattr(answers, "attempt", attempt_and_interrupt)
    return interruptions


async def test_payload_of_a_new_scene_shows_scene_and_job_at_one_moment(
    app: App, interrupted: list[Interruption]
) -> None:
    """The scene is not among the rows of its change, so it is read; it was changed meanwhile, and so was its job."""
    made = await jobs.make(app, jobs.scene(), provider="external")
    interrupted.append(lambda scene_id: app.mutate("updateScene", "scene { id }", sceneId=scene_id, title="Changed"))
    shown = "scene { version title } job { version }"
    payload = await app.mutate("addScene", shown, jobId=made.id, scene={"prompt": "Another"})
    assert payload == {"scene": {"version": 3, "title": "Changed"}, "job": {"version": 3}}


async def test_relation_in_a_second_selection_of_a_mutation_is_read_with_its_scene(
    app: App, interrupted: list[Interruption]
) -> None:
    """Two selections under one key are one field; what both show is of one moment."""
    made = await jobs.make(app, jobs.scene(), provider="external")
    change = {"sceneId": made.scenes[0], "title": "First"}

    async def change_again(_outcome: object) -> None:
        await app.mutate("updateScene", "scene { id }", **change | {"title": "Second"})

    interrupted.append(change_again)
    document = """mutation($input: UpdateSceneInput!) {
        updateScene(input: $input) { job { version } }
        updateScene(input: $input) { job { scenes { nodes { version title } } } }
    }"""
    job = (await app.execute(document, input=change))["updateScene"]["job"]
    assert job == {"version": 3, "scenes": {"nodes": [{"version": 3, "title": "Second"}]}}


@pytest.mark.parametrize(("selected", "shown"), [("title version", "First"), ("title takes { id }", "Second")])
@pytest.mark.parametrize("way", ["scene", "payload", "inline"])
async def test_fragments_count_as_what_they_select(
    app: App, interrupted: list[Interruption], way: str, selected: str, shown: str
) -> None:
    """On the payload, on the scene, and without a name: a relation is read with its scene, columns are not read."""
    made = await jobs.make(app, jobs.scene(), provider="external")
    change = {"sceneId": made.scenes[0], "title": "First"}

    async def change_again(_outcome: object) -> None:
        await app.mutate("updateScene", "scene { id }", **change | {"title": "Second"})

    interrupted.append(change_again)
    rest = {
        "scene": "scene { ...S } } } fragment S on Scene { SELECTED }",
        "payload": "...P } } fragment P on ScenePayload { scene { SELECTED } }",
        "inline": "... on ScenePayload { scene { ... on Scene { ... { SELECTED } } } } } }",
    }[way].replace("SELECTED", selected)
    document = f"mutation($input: UpdateSceneInput!) {{ updateScene(input: $input) {{ {rest}"
    assert (await app.execute(document, input=change))["updateScene"]["scene"]["title"] == shown
