"""The GraphQL API without a transport: executes documents on the schema as the transports do."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.domain.access import LOCAL, Viewer
from models.domain.errors import ErrorCode
from server.container import Container
from server.graphql.masking import MaskedSchema
from server.graphql.schema import executable_schema
from tests.any_order.model_state import Refused
from tests.support.client import Json

JOB = "id version status title deletedAt progress { percentage version }"
SCENE = "id version status position title takes { number status }"
PROGRESS = "jobId total pending processing completed failed canceled percentage currentStage version"
FULL_SCENE = """
id jobId position title prompt status percentage provider providerId attempts maxAttempts nextAttemptAt queuePosition
version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter availableActions allowedTransitions
output { contentType } failure { code } currentTake { number }
takes(first: 100) { id number reason prompt status provider providerId isCurrent createdAt startedAt finishedAt
    output { contentType } failure { code } }
"""
FULL_JOB = f"""
query($id: ID!, $after: Int!) {{ job(id: $id) {{
    id title status version startedAt finishedAt deletedAt purgeAfter
    output {{ contentType }} outputFailure {{ code }} progress {{ {PROGRESS} }}
    live: scenes {{ totalCount nodes {{ id }} }}
    scenes(includeDeleted: true) {{ nodes {{ {FULL_SCENE} }} }}
    events(first: 100, after: $after) {{ version type sceneId changed }}
}} }}"""
LOG = "query($id: ID!, $after: Int!) { job(id: $id) { events(first: 100, after: $after) { version type } } }"
ERRORS = "errors { __typename code message path ... on ConflictError { currentVersion } ... on NotFoundError { id } }"
# The input type of each mutation, and whether its payload has a scene.
MUTATIONS: Mapping[str, tuple[str, bool]] = {
    "createJob": ("CreateJobInput", False),
    "updateJob": ("UpdateJobInput", False),
    "startJob": ("JobActionInput", False),
    "cancelJob": ("JobActionInput", False),
    "deleteJob": ("JobActionInput", False),
    "restoreJob": ("JobActionInput", False),
    "reorderScenes": ("ReorderScenesInput", False),
    "addScene": ("AddSceneInput", True),
    "updateScene": ("UpdateSceneInput", True),
    "regenerateScene": ("RegenerateSceneInput", True),
    "cancelScene": ("SceneActionInput", True),
    "deleteScene": ("SceneActionInput", False),
    "restoreScene": ("SceneActionInput", True),
    "moveScene": ("MoveSceneInput", True),
    "selectTake": ("SelectTakeInput", True),
}
ERROR_TYPES = {
    ErrorCode.NOT_FOUND: "NotFoundError",
    ErrorCode.SCENE_NOT_IN_JOB: "NotFoundError",
    ErrorCode.STALE_VERSION: "ConflictError",
    ErrorCode.IDEMPOTENCY_CONFLICT: "ConflictError",
    ErrorCode.VALIDATION_FAILED: "ValidationError",
    ErrorCode.INCOMPLETE_ORDER: "ValidationError",
    ErrorCode.STALE_TAKE: "StaleTakeError",
}


@cache
def schema() -> MaskedSchema:
    """Return the executable schema; built once."""
    return executable_schema()


async def execute(container: Container, document: str, variables: Json, viewer: Viewer = LOCAL) -> Json:
    """Return the `data` of an operation, which must have no top-level errors."""
    result = await schema().execute(document, variables, context_value=container.context(viewer))
    assert not result.errors, result.errors
    assert result.data is not None
    return result.data


async def mutate(container: Container, name: str, fields: Json, viewer: Viewer = LOCAL) -> Json:
    """Return the payload of a mutation. Raises Refused with the code in its `errors`."""
    input_type, has_scene = MUTATIONS[name]
    selection = f"job {{ {JOB} }} {ERRORS}" + (f" scene {{ {SCENE} }}" if has_scene else "")
    document = f"mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} }} }}"
    payload = (await execute(container, document, {"input": fields}, viewer))[name]
    if payload["errors"]:
        assert payload["job"] is payload.get("scene") is None
        raise Refused(_error_code(payload["errors"], fields))
    assert payload["job"] is not None
    assert not has_scene or payload["scene"] is not None
    return payload


def _error_code(errors: list[Json], fields: Json) -> ErrorCode:
    """Return the code that all errors share; each has a message, a path below `input` and the type of its code."""
    (code,) = {ErrorCode(error["code"]) for error in errors}
    for error in errors:
        assert error["message"]
        assert error["path"][0] == "input"
        assert error["__typename"] == ERROR_TYPES.get(code, "StateError")
        if code is ErrorCode.STALE_VERSION:
            # The machine sends the version before the current one.
            assert error["currentVersion"] == fields["expectedVersion"] + 1
    return code


async def full_job(container: Container, job_id: str, after: int = 0) -> Json | None:
    """Return every field of a job and its scenes, and its log after a version; None for an unknown job."""
    return (await execute(container, FULL_JOB, {"id": job_id, "after": after}))["job"]


async def full_log(container: Container, job_id: str) -> list[Json]:
    """Return the whole log, read page by page."""
    log: list[Json] = []
    after = 0
    while page := (await execute(container, LOG, {"id": job_id, "after": after}))["job"]["events"]:
        log += page
        after = log[-1]["version"]
    return log


def payload_job(shape: Json, job: Json) -> Any:
    """Return the fields of a full job that a payload of this shape has."""
    progress = {name: job["progress"][name] for name in shape["progress"]}
    return {name: job[name] for name in shape if name != "progress"} | {"progress": progress}


def payload_scene(shape: Json, scene: Json) -> Any:
    """Return the fields of a full scene that a payload of this shape has."""
    takes = [{name: take[name] for name in ("number", "status")} for take in scene["takes"]]
    return {name: scene[name] for name in shape if name != "takes"} | {"takes": takes}


def own_fields(job: Json) -> Json:
    """Return a full job without the fields that depend on other jobs or on the position in the log."""
    scenes = [{**scene, "queuePosition": None} for scene in job["scenes"]["nodes"]]
    return {**job, "scenes": scenes, "events": None}
