"""The requests that say what is asked of a model: each door into the server, with the errors in one form."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.support import jobs, rest_calls
from tests.support.client import Client, Json
from tests.support.factories import NO_TAKE

ERRORS = """errors {
  __typename code message path ... on NotSupportedError { model allowed alternatives { id } }
}"""
SETTINGS = "{ model aspectRatio resolution seed negativePrompt audio options }"


class Refusal(NamedTuple):
    """A refused field, with its path below the scene; `kind` is the type of the error."""

    kind: str
    path: tuple[str, ...]
    model: str | None = None
    allowed: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


Door = Callable[[Client, "Desk", Json], Awaitable[list[Refusal]]]


class Desk(NamedTuple):
    """A job of the provider `scripted` with the model picky, its pending scene and its canceled one."""

    job_id: str
    pending: str
    canceled: str


async def a_desk(client: Client) -> Desk:
    """Make the job."""
    scene = {"prompt": "A kite", "durationSeconds": 4}
    made = await jobs.make(client, scene, scene, settings={"model": "scripted/picky"})
    await jobs.change(client, "cancelScene", sceneId=made.scenes[1])
    return Desk(made.id, *made.scenes)


async def create(client: Client, _desk: Desk, scene: Json) -> list[Refusal]:
    """Create a job with the scene."""
    settings = {"model": "scripted/picky"}
    payload = await client.mutate("createJob", f"job {{ id }} {ERRORS}", title="One", settings=settings, scenes=[scene])
    assert payload["job"] is None
    return _found(payload["errors"], "input", "scenes", "0")


async def add(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Add the scene to the job."""
    payload = await client.mutate("addScene", f"scene {{ id }} {ERRORS}", jobId=desk.job_id, scene=scene)
    assert payload["scene"] is None
    return _found(payload["errors"], "input", "scene")


async def update(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Make the pending scene like this one."""
    payload = await client.mutate("updateScene", f"scene {{ id }} {ERRORS}", sceneId=desk.pending, **scene)
    assert payload["scene"] is None
    return _found(payload["errors"], "input")


async def regenerate(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Regenerate the canceled scene like this one."""
    scene = {name: value for name, value in scene.items() if name != "durationSeconds"}
    payload = await client.mutate("regenerateScene", f"scene {{ id }} {ERRORS}", sceneId=desk.canceled, **scene)
    assert payload["scene"] is None
    return _found(payload["errors"], "input")


async def batch(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Make the second scene of a batch like this one; the first one changes."""
    return await _batch(client, desk, scene, dryRun=False)


async def dry_run(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Try the same."""
    return await _batch(client, desk, scene, dryRun=True)


async def _batch(client: Client, desk: Desk, scene: Json, **fields: Any) -> list[Refusal]:
    scenes = [{"sceneId": desk.canceled, "title": "Other"}, {"sceneId": desk.pending, **scene}]
    payload = await client.mutate(
        "updateScenes", f"results {{ {ERRORS} }} {ERRORS}", jobId=desk.job_id, scenes=scenes, **fields
    )
    assert payload["errors"] == []
    (first,), second = payload["results"][0]["errors"], payload["results"][1]["errors"]
    assert first["code"] == "BATCH_ABORTED"
    return _found(second, "input", "scenes", "1")


async def rest_put(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Make the pending scene like this one, over REST."""
    return await _rest(client, "PUT", (desk.job_id, desk.pending), scene)


async def rest_regenerate(client: Client, desk: Desk, scene: Json) -> list[Refusal]:
    """Regenerate the canceled scene like this one, over REST."""
    scene = {name: value for name, value in scene.items() if name != "durationSeconds"}
    return await _rest(client, "POST", (desk.job_id, desk.canceled, "regenerate"), scene)


async def _rest(client: Client, method: str, place: tuple[str, ...], scene: Json) -> list[Refusal]:
    status, error = await rest_calls.error(client, method, *place, **snake_case(scene))
    assert (status, error["code"]) == (422, error["details"][0]["code"])
    return [
        Refusal(
            "NotSupportedError" if each["code"] == "NOT_SUPPORTED" else "ValidationError",
            tuple(CAMEL_CASE.get(str(part), str(part)) for part in each["path"]),
            each.get("model"),
            tuple(each.get("allowed", ())),
            tuple(each.get("alternatives", ())),
        )
        for each in error["details"]
    ]


def snake_case(scene: Json) -> Json:
    """Return the fields of a scene by the names that they have in REST."""
    names = {camel: snake for snake, camel in CAMEL_CASE.items()}
    return {
        names.get(name, name): (
            {names.get(inner, inner): found for inner, found in value.items()}
            if name == "settings" and value is not None
            else [{names.get(inner, inner): found for inner, found in each.items()} for each in value]
            if name == "inputs" and value is not None
            else value
        )
        for name, value in scene.items()
    }


CAMEL_CASE = {
    "duration_seconds": "durationSeconds",
    "aspect_ratio": "aspectRatio",
    "negative_prompt": "negativePrompt",
    "asset_id": "assetId",
    "take_id": "takeId",
    "at_seconds": "atSeconds",
}
DOORS: dict[str, Door] = {
    "createJob": create,
    "addScene": add,
    "updateScene": update,
    "regenerateScene": regenerate,
    "updateScenes": batch,
    "updateScenes, dry run": dry_run,
    "PUT": rest_put,
    "POST regenerate": rest_regenerate,
}


def an_input(role: str, **fields: Any) -> Json:
    """Return an input; its take does not exist unless one is given."""
    return {"role": role, "takeId": NO_TAKE, **fields}


def _found(errors: list[Json], *base: str) -> list[Refusal]:
    """Return errors with their paths below a place."""
    found: list[Refusal] = []
    for each in errors:
        path = tuple(each["path"])
        assert path[: len(base)] == base, each
        assert each["message"].endswith("."), each
        alternatives = tuple(model["id"] for model in each.get("alternatives", ()))
        found.append(
            Refusal(
                each["__typename"],
                path[len(base) :],
                each.get("model"),
                tuple(each.get("allowed", ())),
                alternatives,
            )
        )
    return found
