"""Selections of whole objects as clients see them, and helpers that compare them as whole values."""

from typing import Any

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.factories import NO_JOB

MEDIA = "{ url contentType sizeBytes width height durationSeconds expiresAt }"
FAILURE = "{ code message retryable }"
TAKE = f"""
id number reason prompt status provider providerId output {MEDIA} poster {MEDIA} preview {MEDIA}
original {MEDIA} failure {FAILURE} isCurrent createdAt startedAt finishedAt
"""
SCENE = f"""
id jobId position title prompt durationSeconds status percentage queuePosition provider providerId attempts maxAttempts
nextAttemptAt output {MEDIA} poster {MEDIA} preview {MEDIA} failure {FAILURE} currentTake {{ id }} takes {{ {TAKE} }}
metadata availableActions allowedTransitions version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter
"""
PROGRESS = "total pending processing completed failed canceled percentage currentStage stageLabel version"
JOB = f"""
id title provider status progress {{ {PROGRESS} }} ownerId metadata version createdAt updatedAt startedAt finishedAt
deletedAt purgeAfter
"""
EVENT = "version type sceneId actorId changed occurredAt"
# All stored fields that a change could touch, without the fields that are derived from them.
STORED_FIELDS = """
title status metadata version updatedAt startedAt finishedAt
scenes(includeDeleted: true) { nodes {
  id position title prompt durationSeconds status percentage providerId attempts maxAttempts metadata version updatedAt
  deletedAt
} }
events { version type }
"""
EVERYTHING = f"{JOB} scenes(includeDeleted: true) {{ nodes {{ {SCENE} }} }} events {{ {EVENT} }}"
ERRORS = """
errors {
  __typename code message path
  ... on NotFoundError { id }
  ... on StateError { from to allowed }
  ... on ConflictError { currentVersion }
  ... on RateLimitedError { retryAfterSeconds quota { limit remaining } }
}
"""
_PAYLOADS = {"deleteScene": "deletedSceneId purgeAfter job { id }"} | dict.fromkeys(
    ("createJob", "updateJob", "startJob", "cancelJob", "deleteJob", "restoreJob", "reorderScenes"), "job { id }"
)


async def read_scene(client: Client, scene_id: str, selection: str = SCENE) -> Json:
    """Return fields of a scene that must exist."""
    found = (await client.execute(f"query($id: ID!) {{ scene(id: $id) {{ {selection} }} }}", id=scene_id))["scene"]
    assert found is not None
    return found


async def log(client: Client, job_id: str, after: int = 0) -> list[tuple[str, str | None]]:
    """Return the events of a job after a version: type and scene of each."""
    return [(event["type"], event["sceneId"]) for event in await jobs.log(client, job_id, "type sceneId", after)]


async def changes(client: Client, job_id: str, after: int) -> list[tuple[str, list[str]]]:
    """Return the events of a job after a version: type and changed fields of each."""
    return [(event["type"], event["changed"]) for event in await jobs.log(client, job_id, "type changed", after)]


async def refused(client: Client, job_id: str, name: str, **fields: Any) -> Json:
    """Run a mutation that must be refused and change nothing. Return its only error, without the message."""
    (error,) = await refusals(client, job_id, name, **fields)
    return error


async def refusals(client: Client, job_id: str, name: str, **fields: Any) -> list[Json]:
    """Run a mutation that must be refused and change nothing. Return all errors, without their messages."""
    before = await _stored_fields(client, job_id)
    payload = await client.mutate(name, f"{_PAYLOADS.get(name, 'scene { id } job { id }')} {ERRORS}", **fields)
    errors: list[Json] = payload.pop("errors")
    assert errors, "it was accepted"
    assert set(payload.values()) == {None}
    assert await _stored_fields(client, job_id) == before
    for error in errors:
        message: str = error.pop("message")
        assert message.endswith("."), message
    return errors


async def request_error(client: Client, document: str, **variables: object) -> Json:
    """Return the extensions of the only error of a request."""
    (error,) = (await client.result(document, **variables))["errors"]
    return error["extensions"]


def invalid(*path: str, code: str = "VALIDATION_FAILED") -> Json:
    """Return the error of an input field that breaks its rule."""
    return {"__typename": "ValidationError", "code": code, "path": ["input", *path]}


def missing(field: str, missing_id: str, code: str = "NOT_FOUND") -> Json:
    """Return the error of an id that does not exist."""
    return {"__typename": "NotFoundError", "code": code, "path": ["input", field], "id": missing_id}


def state(code: str, field: str, now: str | None = None, to: str | None = None, *allowed: str) -> Json:
    """Return the error of a status that does not allow the action."""
    return {
        "__typename": "StateError",
        "code": code,
        "path": ["input", field],
        "from": now,
        "to": to,
        "allowed": list(allowed),
    }


async def play_order(client: Client, job_id: str) -> list[str]:
    """Return the prompts of the live scenes in play order. Their positions must be dense."""
    scenes: list[Json] = (await jobs.job(client, job_id, "scenes { nodes { position prompt } }"))["scenes"]["nodes"]
    assert [scene["position"] for scene in scenes] == list(range(len(scenes)))
    return [scene["prompt"] for scene in scenes]


async def positions_and_prompts(client: Client, job_id: str) -> list[tuple[int, str]]:
    """Return position and prompt of each live scene, in the order of the list."""
    job = await jobs.job(client, job_id, "scenes { nodes { position prompt } }")
    return [(scene["position"], scene["prompt"]) for scene in job["scenes"]["nodes"]]


def stale(version: int) -> Json:
    """Return the error of a change whose expected version is not the current one."""
    return {
        "__typename": "ConflictError",
        "code": "STALE_VERSION",
        "path": ["input", "expectedVersion"],
        "currentVersion": version,
    }


async def _stored_fields(client: Client, job_id: str) -> Json:
    return {} if job_id == NO_JOB else await jobs.job(client, job_id, STORED_FIELDS)
