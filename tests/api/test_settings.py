"""Settings and inputs of jobs and scenes: three levels that fold into one, and their changes."""

import os
import random
from typing import Any

import pytest

from providers.scripted_models import PICKY, PLAIN
from schema.settings import RenderSettingsInput
from tests.support import jobs, rest_calls
from tests.support.asking import CAMEL_CASE, SETTINGS, snake_case
from tests.support.client import Json
from tests.support.property_settings import scaled
from tests.support.queries import changes, read_scene
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

# Of each setting, values that the model plain takes, and null.
VALUES: dict[str, list[Any]] = {
    "aspectRatio": ["16:9", "1:1", "2.39:1", None],
    "resolution": ["P360", "P2160", None],
    "seed": [0, 7, 2**32 - 1, None],
    "negativePrompt": ["rain", "fog\nand snow", None],
    "audio": [True, False, None],
    "options": [{}, {"a": {"b": [1, True, None, "é"]}}, {"a": 1.5}, None],
}
NOTHING: Json = {**dict.fromkeys(VALUES), "model": None, "options": {}}
# Of the model plain, whose name is all that it says.
DEFAULTS: Json = {"model": "scripted/plain"}


def _random_settings(chance: random.Random) -> Json:
    names = [name for name in VALUES if chance.random() < 0.5]
    return {name: chance.choice(VALUES[name]) for name in names}


def _after(before: Json, edit: Json | None) -> Json:
    """Return the settings of one level after an edit."""
    after = {} if edit is None else before | edit
    return {name: value for name, value in after.items() if value is not None}


def _shown(*levels: Json) -> Json:
    """Return the settings of several levels as the API shows them; the first level goes first."""
    found = dict(NOTHING)
    for level in reversed(levels):
        found |= level
    return found


async def test_settings_of_three_levels_fold_into_one(shared: App) -> None:
    """After random edits of a job and of its scenes: each setting is the scene's, else the job's, else the model's."""
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.randrange(2**32)))
    print(f"SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # pytest shows it when the test fails
    chance = random.Random(seed)
    of_job, of_scene = _random_settings(chance), _random_settings(chance)
    scene = {"prompt": "A kite", "settings": of_scene}
    made = await jobs.make(shared, scene, settings=of_job)
    of_job, of_scene = _after({}, of_job), _after({}, of_scene)
    for _ in range(scaled(12)):
        edit = chance.choice([None, *(_random_settings(chance) for _ in range(4))])
        before = await jobs.job(shared, made.id, "version")
        if chance.random() < 0.5:
            await jobs.change(shared, "updateJob", jobId=made.id, settings=edit)
            changed, of_job = of_job != _after(of_job, edit), _after(of_job, edit)
        elif chance.random() < 0.5:
            await jobs.change(shared, "updateScene", sceneId=made.scenes[0], settings=edit)
            changed, of_scene = of_scene != _after(of_scene, edit), _after(of_scene, edit)
        else:
            body = snake_case({"settings": edit})
            await rest_calls.data(shared, "PUT", made.id, made.scenes[0], **body)
            changed, of_scene = of_scene != _after(of_scene, edit), _after(of_scene, edit)
        selection = f"version settings {SETTINGS} scenes {{ nodes {{ settings {SETTINGS} ownSettings {SETTINGS} }} }}"
        found = await jobs.job(shared, made.id, selection)
        assert found == {
            "version": before["version"] + changed,
            "settings": _shown(of_job),
            "scenes": {
                "nodes": [{"settings": _shown(of_scene, of_job, DEFAULTS), "ownSettings": _shown(of_scene)}],
            },
        }
        over_rest = await rest_calls.data(shared, "GET", made.id, made.scenes[0])
        given = {CAMEL_CASE.get(name, name): value for name, value in over_rest["settings"].items()}
        if "resolution" in given:
            given["resolution"] = given["resolution"].upper()
        assert given == {**of_job, **of_scene}


async def test_defaults_of_the_chosen_model_come_last(shared: App) -> None:
    """Also of one that only the scene names; options are inherited as a whole."""
    own = {"model": "scripted/picky", "aspectRatio": "9:16", "options": {"strength": 1}}
    made = await jobs.make(shared, {"prompt": "A kite", "durationSeconds": 8, "settings": own})
    found = await read_scene(shared, made.scenes[0], f"settings {SETTINGS}")
    assert found["settings"] == NOTHING | own | {"resolution": "P720"}
    await jobs.change(shared, "updateScene", sceneId=made.scenes[0], settings={"options": None})
    found = await read_scene(shared, made.scenes[0], f"settings {SETTINGS}")
    assert found["settings"]["options"] == PICKY.defaults.options
    assert PLAIN.defaults.options == {}


async def test_event_names_settings_and_inputs(shared: App) -> None:
    """Once for each change; the same again is none."""
    made = await jobs.make(shared, {"prompt": "A kite"})
    scene_id = made.scenes[0]
    version = await jobs.change(shared, "updateScene", sceneId=scene_id, settings={"seed": 1}, title="Kite")
    assert await jobs.change(shared, "updateScene", sceneId=scene_id, settings={"seed": 1}) == version
    assert await jobs.change(shared, "updateJob", jobId=made.id, settings={"seed": 1}) == version + 1
    assert await jobs.change(shared, "updateJob", jobId=made.id, settings={}) == version + 1
    assert await changes(shared, made.id, made.version) == [
        ("SCENE_UPDATED", ["title", "settings"]),
        ("JOB_UPDATED", ["settings"]),
    ]


async def test_boolean_is_another_value_than_a_number(shared: App) -> None:
    """In options, which are compared as JSON."""
    made = await jobs.make(shared, {"prompt": "A kite", "settings": {"options": {"a": True}}})
    version = await jobs.change(shared, "updateScene", sceneId=made.scenes[0], settings={"options": {"a": 1}})
    assert version == made.version + 1
    found = await read_scene(shared, made.scenes[0], "ownSettings { options }")
    assert found["ownSettings"]["options"]["a"] is not True


async def test_regenerate_keeps_what_it_is_not_given(shared: App) -> None:
    """Settings that are given become those of the scene; over REST too."""
    made = await jobs.make(shared, {"prompt": "A kite", "settings": {"seed": 1, "audio": False}})
    for regenerate in ("GraphQL", "REST"):
        await jobs.change(shared, "cancelScene", sceneId=made.scenes[0])
        if regenerate == "GraphQL":
            await jobs.change(shared, "regenerateScene", sceneId=made.scenes[0], settings={"seed": 2})
            expected = {"seed": 2, "audio": False}
        else:
            body = {"prompt": "Another", "settings": {"seed": 3, "audio": None, "resolution": "p720"}}
            await rest_calls.data(shared, "POST", made.id, made.scenes[0], "regenerate", **body)
            expected = {"seed": 3, "resolution": "P720"}
        found = await read_scene(shared, made.scenes[0], f"prompt ownSettings {SETTINGS}")
        assert found["ownSettings"] == NOTHING | expected
    assert found["prompt"] == "Another"


async def test_idempotency_key_remembers_settings(shared: App) -> None:
    """A retry with other settings is another request."""
    fields: Json = {"title": "One", "idempotencyKey": f"settings {random.random()}"}
    first = await shared.mutate("createJob", "job { id } errors { code }", **fields, settings={"seed": 1})
    again = await shared.mutate("createJob", "job { id } errors { code }", **fields, settings={"seed": 1})
    assert first["job"] == again["job"] is not None
    other = await shared.mutate("createJob", "job { id } errors { code }", **fields, settings={"seed": 2})
    assert other["errors"] == [{"code": "IDEMPOTENCY_CONFLICT"}]


async def test_models_are_found_by_what_they_can_do(shared: App) -> None:
    """Of one provider or of all; with fits and roles only those that can do all of it."""

    async def found(**arguments: Any) -> list[str]:
        document = """query($provider: String, $fits: RenderSettingsInput, $roles: [InputRole!]) {
          models(provider: $provider, fits: $fits, roles: $roles) { id }
        }"""
        return [model["id"] for model in (await shared.execute(document, **arguments))["models"]]

    assert await found(provider="scripted") == ["scripted/plain", "scripted/picky", "scripted/gone"]
    assert await found(provider="nobody") == []
    assert "local/placeholder" in await found()
    assert await found(provider="scripted", fits={"seed": 1}) == ["scripted/plain"]
    assert await found(provider="scripted", fits={"aspectRatio": "9:16"}, roles=["REFERENCE"]) == [
        "scripted/plain",
        "scripted/picky",
    ]
    assert await found(provider="scripted", roles=["REFERENCE", "FIRST_FRAME"]) == ["scripted/plain"]
    assert await found(fits={"model": "scripted/picky"}) == ["scripted/picky"]
    document = '{ models(provider: "scripted") { id available unavailableReason durationsSeconds exclusive } }'
    plain, picky, gone = (await shared.execute(document))["models"]
    assert (plain["available"], plain["durationsSeconds"], plain["exclusive"]) == (True, None, [])
    assert (picky["durationsSeconds"], picky["exclusive"]) == (
        [4.0, 8.0],
        [["FIRST_FRAME", "REFERENCE"], ["LAST_FRAME", "REFERENCE"]],
    )
    assert not gone["available"]
    assert gone["unavailableReason"].endswith(".")


async def test_every_setting_is_stored() -> None:
    """A field that is added to the input must be added to the stored names."""
    given = RenderSettingsInput(**{CAMEL_CASE_TO_PYTHON.get(name, name): None for name in NOTHING}).given()
    assert set(given) == {CAMEL_CASE_TO_PYTHON.get(name, name) for name in NOTHING}


CAMEL_CASE_TO_PYTHON = {camel: snake for snake, camel in CAMEL_CASE.items()}
