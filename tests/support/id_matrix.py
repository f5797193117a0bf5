"""All places in the printed schema that take or return an id, and a request that tries each of them.

A row is the place of an id (`Type.field(argument.path)`) and a request that puts an id there. A new place in the schema
needs a new row here: `test_ownership_matrix` fails until then."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from fastapi.routing import APIRoute
from graphql import (
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_required_argument,
)

from server.graphql.schema import sdl
from server.rest.router import SCENE_ROUTES
from tests.support.client import Json

SCHEMA = build_schema(sdl())

# Placeholders: the id that is tried, and a job, a scene and a take that the caller owns.
ID, JOB, SCENE, TAKE = "<id>", "<job>", "<scene>", "<take>"
# A scene of the caller that can be regenerated.
DONE = "<done>"
ERRORS = "__typename errors { __typename code message path ... on NotFoundError { id } }"

ASSET_ACTIONS = ("completeAsset", "deleteAsset", "restoreAsset")
BATCHES = ("SceneBatchInput", "UpdateScenesInput")


class Row(NamedTuple):
    """A request, and the kind of object that its id names."""

    kind: str
    document: str
    variables: Json


def read(kind: str, selection: str, root: str = "query") -> Row:
    """Return a query or subscription of `$id`."""
    used = {name: value for name, value in {"id": ID, "job": JOB, "scene": SCENE}.items() if f"${name}" in selection}
    return Row(kind, f"{root}({' '.join(f'${name}: ID!' for name in used)}) {{ {selection} }}", used)


def change(name: str, kind: str, **fields: Any) -> dict[str, Row]:
    """Return a mutation that takes `input`, if the schema has it: one row for the id in the fields."""
    root = SCHEMA.mutation_type
    if root is None or name not in root.fields:
        return {}
    argument = root.fields[name].args["input"].type
    # In a batch, each scene has its own errors.
    results = f" results {{ sceneId {ERRORS} }}" if str(argument).rstrip("!") in BATCHES else ""
    document = f"mutation($input: {argument}) {{ {name}(input: $input) {{ {ERRORS}{results} }} }}"
    place = next(_places(fields))
    return {f"Mutation.{name}(input.{place})": Row(kind, document, {"input": fields})}


def _places(value: object) -> Iterator[str]:
    """Yield the paths to the id that is tried."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            yield from (".".join(filter(None, (name, rest))) for rest in _places(inner))
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _places(inner)
    elif value == ID:
        yield ""


def _scene_mutations(name: str, **more: Any) -> dict[str, Row]:
    """By the scene alone, with a job of the caller, and with a job of another owner."""
    return change(name, "scene", sceneId=ID, **more) | change(name, "job", sceneId=SCENE, jobId=ID, **more)


def _job_mutations(*names: str, **more: Any) -> dict[str, Row]:
    return {place: row for name in names for place, row in change(name, "job", jobId=ID, **more).items()}


def _batch_mutations(*names: str) -> dict[str, Row]:
    by_scene = [change(name, "scene", jobId=JOB, sceneIds=[SCENE, ID]) for name in names]
    by_job = [change(name, "job", jobId=ID, sceneIds=[SCENE]) for name in names]
    return {place: row for rows in (*by_scene, *by_job) for place, row in rows.items()}


def _input_mutations(kind: str, field: str) -> dict[str, Row]:
    """The mutations that take the inputs of scenes, with an input that is an object of this kind."""
    inputs = [{"role": "FIRST_FRAME", field: ID}]
    scene = {"prompt": "Mine", "inputs": inputs}
    batch = [{"sceneId": SCENE, "inputs": inputs}]
    return (
        change("createJob", kind, title="Mine", scenes=[scene])
        | change("addScene", kind, jobId=JOB, scene=scene)
        | change("updateScene", kind, sceneId=SCENE, inputs=inputs)
        | change("updateScenes", kind, jobId=JOB, scenes=batch, policy="BEST_EFFORT")
        | change("regenerateScene", kind, sceneId=DONE, inputs=inputs)
    )


MATRIX: dict[str, Row] = {
    "Query.node(id)": read("job", "node(id: $id) { __typename id }"),
    "Query.job(id)": read("job", "job(id: $id) { id title scenes(includeDeleted: true) { nodes { id } } }"),
    "Query.jobs(filter.ownerId)": read("owner", "jobs(filter: {ownerId: $id}, includeDeleted: true) { nodes { id } }"),
    "Query.scene(id)": read("scene", "scene(id: $id) { id prompt takes { id } }"),
    "Query.scene(jobId)": read("job", "scene(id: $scene, jobId: $id) { id }"),
    "Job.scene(id)": read("scene", "jobs { nodes { scene(id: $id) { id } } }"),
    "Subscription.jobEvents(jobId)": read("job", "jobEvents(jobId: $id) { __typename }", "subscription"),
    "Subscription.jobProgress(jobId)": read("job", "jobProgress(jobId: $id) { total }", "subscription"),
    "Subscription.sceneUpdated(sceneId)": read("scene", "sceneUpdated(sceneId: $id) { id }", "subscription"),
    "Subscription.jobsUpdated(filter.ownerId)": read(
        "owner", "jobsUpdated(filter: {ownerId: $id}) { id }", "subscription"
    ),
    **_job_mutations("updateJob", title="Mine"),
    **_job_mutations("startJob", "cancelJob", "deleteJob", "restoreJob"),
    **_job_mutations("addScene", scene={"prompt": "Mine"}),
    **_scene_mutations("updateScene", title="Mine"),
    **_scene_mutations("regenerateScene"),
    **_scene_mutations("cancelScene"),
    **_scene_mutations("deleteScene"),
    **_scene_mutations("restoreScene"),
    **_scene_mutations("moveScene", position=0),
    **change("selectTake", "take", takeId=ID),
    **change("reorderScenes", "job", jobId=ID, sceneIds=[SCENE]),
    **change("reorderScenes", "scene", jobId=JOB, sceneIds=[ID]),
    **change("updateScenes", "job", jobId=ID, scenes=[{"sceneId": SCENE, "title": "Mine"}]),
    **change("updateScenes", "scene", jobId=JOB, scenes=[{"sceneId": ID, "title": "Mine"}], policy="BEST_EFFORT"),
    **change("updateScenes", "job", jobId=JOB, scenes=[{"sceneId": SCENE, "jobId": ID}], policy="BEST_EFFORT"),
    **_input_mutations("take", "takeId"),
    **_input_mutations("asset", "assetId"),
    **change("updateScene", "asset", sceneId=SCENE, status="COMPLETED", outputAssetId=ID),
    **change(
        "updateScenes",
        "asset",
        jobId=JOB,
        scenes=[{"sceneId": SCENE, "status": "COMPLETED", "outputAssetId": ID}],
        policy="BEST_EFFORT",
    ),
    **_batch_mutations("regenerateScenes", "cancelScenes", "deleteScenes", "restoreScenes"),
    **{place: row for name in ASSET_ACTIONS for place, row in change(name, "asset", assetId=ID).items()},
    "Query.webhooks(jobId)": read("job", "webhooks(jobId: $id) { id }"),
    **change("createWebhook", "job", url="http://127.0.0.1:9/", events=["JOB_DELETED"], jobId=ID),
    **change("updateWebhook", "webhook", webhookId=ID, active=True),
    **change("rotateWebhookSecret", "webhook", webhookId=ID),
    **change("testWebhook", "webhook", webhookId=ID),
    **change("deleteWebhook", "doomed", webhookId=ID),
    **change("createToken", "job", jobIds=[ID], grants=["READ"]),
    **change("revokeToken", "token", tokenId=ID),
    "Mutation.redeliverWebhook(deliveryId)": read(
        "delivery", f"redeliverWebhook(deliveryId: $id) {{ {ERRORS} }}", "mutation"
    ),
}

# Other requests that reach the same places.
MORE: dict[str, Row] = {
    "node of a scene": read("scene", "node(id: $id) { __typename id }"),
    "node of an asset": read("asset", "node(id: $id) { __typename id }"),
    "node of a webhook": read("webhook", "node(id: $id) { __typename id }"),
    "node of a delivery": read("delivery", "node(id: $id) { __typename id }"),
    "node of a worker": read("worker", "node(id: $id) { __typename id }"),
    "node of a token": read("token", "node(id: $id) { __typename id }"),
    "node of a take": read("take", "node(id: $id) { __typename id }"),
    "a scene in a job of the caller": read("scene", "job(id: $job) { scene(id: $id) { id } }"),
    "a scene with a job of the caller": read("scene", "scene(id: $id, jobId: $job) { id }"),
    "several ids in one request": read(
        "job", "a: job(id: $job) { version } b: job(id: $id) { id } c: node(id: $id) { id } d: scene(id: $scene) { id }"
    ),
    "a change of a scene with a job of the caller": Row(
        "scene",
        f"mutation($input: UpdateSceneInput!) {{ updateScene(input: $input) {{ {ERRORS} }} }}",
        {"input": {"sceneId": ID, "jobId": JOB, "title": "Mine"}},
    ),
    "a report of a status": Row(
        "scene",
        f"mutation($input: UpdateSceneInput!) {{ updateScene(input: $input) {{ {ERRORS} }} }}",
        {"input": {"sceneId": ID, "status": "COMPLETED"}},
    ),
    "a change with an expected version": Row(
        "job",
        f"mutation($input: UpdateJobInput!) {{ updateJob(input: $input) {{ {ERRORS} }} }}",
        {"input": {"jobId": ID, "title": "Mine", "expectedVersion": 7}},
    ),
    "a change with an idempotency key": Row(
        "scene",
        f"mutation($input: RegenerateSceneInput!) {{ regenerateScene(input: $input) {{ {ERRORS} }} }}",
        {"input": {"sceneId": ID, "idempotencyKey": "key"}},
    ),
}

# Ids in responses: those of objects that the caller may see (reached from a row above), and those of the request.
SEEN, GIVEN = "of an object that the caller may see", "as it was in the request"
PUBLIC = "of the catalogue of models, which all callers see"
RETURNED: dict[str, str] = {
    "Node.id": SEEN,
    "Job.id": SEEN,
    "Job.ownerId": SEEN,
    "JobProgress.id": SEEN,
    "JobProgress.jobId": SEEN,
    "Scene.id": SEEN,
    "Scene.jobId": SEEN,
    "SceneTake.id": SEEN,
    "JobEvent.jobId": SEEN,
    "JobEvent.sceneId": SEEN,
    "JobEvent.actorId": SEEN,
    "SceneProgress.jobId": SEEN,
    "SceneProgress.sceneId": SEEN,
    "Viewer.id": SEEN,
    "Asset.id": SEEN,
    "Worker.id": SEEN,
    "Asset.ownerId": SEEN,
    "Webhook.id": SEEN,
    "Webhook.jobId": SEEN,
    "WebhookDelivery.id": SEEN,
    "WebhookDelivery.jobId": SEEN,
    "OutputAdjustment.sceneIds": SEEN,
    "AccessToken.id": SEEN,
    "AccessToken.jobIds": SEEN,
    "Model.id": PUBLIC,
    "NotFoundError.id": GIVEN,
    "DeleteScenePayload.deletedSceneId": GIVEN,
    "DeleteWebhookPayload.deletedWebhookId": GIVEN,
    "SceneResult.sceneId": GIVEN,
}


def places_taking_ids() -> set[str]:
    """Return every place in the schema that takes an id."""
    return {
        f"{kind.name}.{name}({path})"
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in _fields(kind).items()
        for argument, given in field.args.items()
        for path in _id_paths(argument, _named(given))
    }


def places_returning_ids() -> set[str]:
    """Return every place in the schema that returns an id."""
    return {
        f"{kind.name}.{name}"
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) and not kind.name.startswith("__")
        for name, field in _fields(kind).items()
        if _named(field).name == "ID"
    }


def _named(place: Any) -> GraphQLNamedType:
    """Return the type of a field or an argument without its list and non-null wrappers."""
    return cast("GraphQLNamedType", get_named_type(place.type))


def _fields(kind: GraphQLObjectType | GraphQLInterfaceType) -> dict[str, GraphQLField]:
    return cast("dict[str, GraphQLField]", kind.fields)


def everything(kind: GraphQLNamedType | None, levels: int = 5) -> str:
    """Return a selection of everything that a query can reach without naming an id."""
    if not isinstance(kind, GraphQLObjectType):
        return ""
    parts: list[str] = []
    for name, field in _fields(kind).items():
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        inner = _named(field)
        deeper = everything(inner, levels - 1) if levels else ""
        if not isinstance(inner, GraphQLObjectType):
            parts += [name] if inner.name == "ID" else []
        elif deeper:
            parts.append(f"{name}{'(includeDeleted: true)' if 'includeDeleted' in field.args else ''} {{ {deeper} }}")
    return " ".join(parts)


def _id_paths(name: str, kind: GraphQLNamedType) -> Iterator[str]:
    if kind.name == "ID":
        yield name
    elif isinstance(kind, GraphQLInputObjectType):
        for inner, field in cast("dict[str, GraphQLInputField]", kind.fields).items():
            yield from _id_paths(f"{name}.{inner}", _named(field))


CALLS = [route for route in SCENE_ROUTES.routes if isinstance(route, APIRoute)]
