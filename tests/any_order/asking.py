"""The API in process: documents given to the executable schema, as the transports give them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from models.domain.access import LOCAL, Viewer
from models.domain.errors import ErrorCode
from server.container import Container
from server.masking import MaskedSchema
from server.schema import executable_schema
from tests.any_order.model_facts import No
from tests.support.client import Json

JOB = "id version status title deletedAt progress { percentage version }"
SCENE = "id version status position title takes { number status }"
PROGRESS = "jobId total pending processing completed failed canceled percentage currentStage version"
WHOLE_SCENE = """
id jobId position title prompt status percentage provider providerId attempts maxAttempts nextAttemptAt queuePosition
version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter availableActions allowedTransitions
output { contentType } failure { code } currentTake { number }
takes(first: 100) { id number reason prompt status provider providerId isCurrent createdAt startedAt finishedAt
    output { contentType } failure { code } }
"""
WHOLE = f"""
query($id: ID!, $after: Int!) {{ job(id: $id) {{
    id title status version startedAt finishedAt deletedAt purgeAfter
    output {{ contentType }} outputFailure {{ code }} progress {{ {PROGRESS} }}
    live: scenes {{ totalCount nodes {{ id }} }}
    scenes(includeDeleted: true) {{ nodes {{ {WHOLE_SCENE} }} }}
    events(first: 100, after: $after) {{ version type sceneId changed }}
}} }}"""
LOG = "query($id: ID!, $after: Int!) { job(id: $id) { events(first: 100, after: $after) { version type } } }"
ERRORS = "errors { __typename code message path ... on ConflictError { currentVersion } ... on NotFoundError { id } }"
# The input type of each mutation, and whether it tells of a scene, too.
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
KINDS = {
    ErrorCode.NOT_FOUND: "NotFoundError",
    ErrorCode.SCENE_NOT_IN_JOB: "NotFoundError",
    ErrorCode.STALE_VERSION: "ConflictError",
    ErrorCode.IDEMPOTENCY_CONFLICT: "ConflictError",
    ErrorCode.VALIDATION_FAILED: "ValidationError",
    ErrorCode.INCOMPLETE_ORDER: "ValidationError",
}


@cache
def schema() -> MaskedSchema:
    """The executable schema, made once."""
    return executable_schema()


async def ask(container: Container, document: str, variables: Json, viewer: Viewer = LOCAL) -> Json:
    """The `data` of an operation that has no errors of GraphQL's own."""
    result = await schema().execute(document, variables, context_value=container.context(viewer))
    assert not result.errors, result.errors
    assert result.data is not None
    return result.data


async def mutate(container: Container, name: str, wanted: Json, viewer: Viewer = LOCAL) -> Json:
    """The payload of a mutation. Raises No when it is refused, as a client branches on it."""
    kind, of_scene = MUTATIONS[name]
    shown = f"job {{ {JOB} }} {ERRORS}" + (f" scene {{ {SCENE} }}" if of_scene else "")
    document = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {shown} }} }}"
    payload = (await ask(container, document, {"input": wanted}, viewer))[name]
    if payload["errors"]:
        assert payload["job"] is payload.get("scene") is None
        raise No(_code(payload["errors"], wanted))
    assert payload["job"] is not None
    assert not of_scene or payload["scene"] is not None
    return payload


def _code(errors: list[Json], wanted: Json) -> ErrorCode:
    """The one code of all errors, each of which names what is wrong and has its own type."""
    (code,) = {ErrorCode(error["code"]) for error in errors}
    for error in errors:
        assert error["message"]
        assert error["path"][0] == "input"
        assert error["__typename"] == KINDS.get(code, "StateError")
        if code is ErrorCode.STALE_VERSION:
            # Whoever comes late here is late by one.
            assert error["currentVersion"] == wanted["expectedVersion"] + 1
    return code


async def whole(container: Container, job_id: str, after: int = 0) -> Json | None:
    """All that is shown of a job to its owner, and its log after a version."""
    return (await ask(container, WHOLE, {"id": job_id, "after": after}))["job"]


async def log_of(container: Container, job_id: str) -> list[Json]:
    """The whole log, page by page."""
    log: list[Json] = []
    after = 0
    while page := (await ask(container, LOG, {"id": job_id, "after": after}))["job"]["events"]:
        log += page
        after = log[-1]["version"]
    return log


def brief(shown: Json, job: Json) -> Any:
    """What a payload tells of a job, made of all that is shown of it."""
    progress = {name: job["progress"][name] for name in shown["progress"]}
    return {name: job[name] for name in shown if name != "progress"} | {"progress": progress}


def brief_scene(shown: Json, scene: Json) -> Any:
    """The same of a scene."""
    takes = [{name: take[name] for name in ("number", "status")} for take in scene["takes"]]
    return {name: scene[name] for name in shown if name != "takes"} | {"takes": takes}


def steady(job: Json) -> Json:
    """What is shown of a job without what depends on other jobs, or on where the log was read from."""
    scenes = [{**scene, "queuePosition": None} for scene in job["scenes"]["nodes"]]
    return {**job, "scenes": scenes, "events": None}
