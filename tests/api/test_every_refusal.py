"""A real request produces every error code of ErrorCode, with the right error type."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from models.domain.errors import ErrorCode
from tests.support.asset_files import a_ready_asset, create, picture
from tests.support.client import Client, Json
from tests.support.factories import NO_JOB, a_job, a_job_of, accepted, report
from tests.support.queries import read_scene
from tests.support.server_app import App, running
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ERRORS = "errors { __typename code message }"

Request = Callable[[App], Awaitable[Json]]


@pytest_asyncio.fixture(loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server with one regenerate an hour, and without a recovery window for deleted scenes."""
    folder = tmp_path_factory.mktemp("strict")
    strict: Json = {
        "regenerates_an_hour": 1,
        "regenerate_burst": 1,
        "recovery_window_seconds": 0,
        "auth_secret": SECRET,
    }
    async with running(folder, **strict) as app:
        yield app


async def refusal(app: Client, name: str, **fields: Any) -> Json:
    """Return the first error of a request, or of the first scene of a batch."""
    batch = name in ("regenerateScenes", "cancelScenes")
    results = f"results {{ {ERRORS} }}" if batch else ""
    payload = await app.mutate(name, f"{results} {ERRORS}", **fields)
    return (payload["errors"] or payload["results"][0]["errors"])[0]


async def validation_failed(app: App) -> Json:
    return await refusal(app, "createJob", title="")


async def not_found(app: App) -> Json:
    return await refusal(app, "startJob", jobId=NO_JOB)


async def forbidden(app: App) -> Json:
    made = await a_job(app, "One", provider="external")
    worker = Client(app.url, token("wim", "worker"))
    try:
        return await refusal(worker, "updateScene", sceneId=made.scenes[0], title="Mine")
    finally:
        await worker.close()


async def scene_not_in_job(app: App) -> Json:
    made, another = await a_job(app, "One"), await a_job(app)
    return await refusal(app, "cancelScene", sceneId=made.scenes[0], jobId=another.id)


async def invalid_transition(app: App) -> Json:
    made = await a_job_of(app, "COMPLETED")
    return await refusal(app, "cancelScene", sceneId=made.scenes[0])


async def not_regenerable(app: App) -> Json:
    made = await a_job_of(app, "PROCESSING")
    return await refusal(app, "regenerateScene", sceneId=made.scenes[0])


async def job_processing(app: App) -> Json:
    made = await a_job_of(app, "PROCESSING")
    return await refusal(app, "deleteJob", jobId=made.id)


async def already_deleted(app: App) -> Json:
    made = await a_job(app, "One")
    await accepted(app, "deleteScene", sceneId=made.scenes[0])
    return await refusal(app, "deleteScene", sceneId=made.scenes[0])


async def not_deleted(app: App) -> Json:
    return await refusal(app, "restoreJob", jobId=(await a_job(app)).id)


async def recovery_expired(app: App) -> Json:
    made = await a_job(app, "One")
    await accepted(app, "deleteScene", sceneId=made.scenes[0])
    return await refusal(app, "restoreScene", sceneId=made.scenes[0])


async def stale_version(app: App) -> Json:
    made = await a_job(app, "One")
    await accepted(app, "updateScene", sceneId=made.scenes[0], title="New")
    assert (await read_scene(app, made.scenes[0], "version"))["version"] == 2
    return await refusal(app, "moveScene", sceneId=made.scenes[0], position=0, expectedVersion=1)


async def idempotency_conflict(app: App) -> Json:
    await accepted(app, "createJob", title="One", idempotencyKey="the key")
    return await refusal(app, "createJob", title="Another", idempotencyKey="the key")


async def incomplete_order(app: App) -> Json:
    made = await a_job(app, "One", "Two")
    return await refusal(app, "reorderScenes", jobId=made.id, sceneIds=made.scenes[:1])


async def rate_limited(app: App) -> Json:
    made = await a_job_of(app, "COMPLETED")
    for _ in "12":
        payload = await app.mutate("regenerateScene", ERRORS, sceneId=made.scenes[0])
        if payload["errors"]:
            return payload["errors"][0]
        await report(app, made.scenes[0], "COMPLETED")
    raise AssertionError("it was accepted twice")


async def limit_exceeded(app: App) -> Json:
    made = await a_job_of(app, "COMPLETED", "COMPLETED")
    return await refusal(app, "regenerateScenes", jobId=made.id, sceneIds=made.scenes)


async def batch_aborted(app: App) -> Json:
    made = await a_job_of(app, "PENDING", "COMPLETED")
    return await refusal(app, "cancelScenes", jobId=made.id, sceneIds=made.scenes)


async def lease_lost(app: App) -> Json:
    return await refusal(app, "releaseTake", token="lease_of_nobody")


async def stale_take(app: App) -> Json:
    made = await a_job(app, "One")
    return await refusal(app, "updateScene", sceneId=made.scenes[0], status="COMPLETED", takeNumber=2)


async def not_supported(app: App) -> Json:
    return await refusal(app, "createJob", title="One", settings={"model": "scripted/picky", "seed": 7})


async def asset_in_use(app: App) -> Json:
    asset = await a_ready_asset(app)
    scene = {"prompt": "One", "inputs": [{"role": "FIRST_FRAME", "assetId": asset["id"]}]}
    await accepted(app, "createJob", title="One", provider="external", scenes=[scene])
    return await refusal(app, "deleteAsset", assetId=asset["id"])


async def upload_refused(app: App) -> Json:
    payload = await create(app, picture().announcement())
    return await refusal(app, "completeAsset", assetId=payload["asset"]["id"])


# The request that produces each code, and the type of its error.
PRODUCED: dict[ErrorCode, tuple[Request, str]] = {
    ErrorCode.VALIDATION_FAILED: (validation_failed, "ValidationError"),
    ErrorCode.NOT_FOUND: (not_found, "NotFoundError"),
    ErrorCode.FORBIDDEN: (forbidden, "ForbiddenError"),
    ErrorCode.SCENE_NOT_IN_JOB: (scene_not_in_job, "NotFoundError"),
    ErrorCode.INVALID_TRANSITION: (invalid_transition, "StateError"),
    ErrorCode.NOT_REGENERABLE: (not_regenerable, "StateError"),
    ErrorCode.JOB_PROCESSING: (job_processing, "StateError"),
    ErrorCode.ALREADY_DELETED: (already_deleted, "StateError"),
    ErrorCode.NOT_DELETED: (not_deleted, "StateError"),
    ErrorCode.RECOVERY_EXPIRED: (recovery_expired, "StateError"),
    ErrorCode.STALE_VERSION: (stale_version, "ConflictError"),
    ErrorCode.IDEMPOTENCY_CONFLICT: (idempotency_conflict, "ConflictError"),
    ErrorCode.INCOMPLETE_ORDER: (incomplete_order, "ValidationError"),
    ErrorCode.RATE_LIMITED: (rate_limited, "RateLimitedError"),
    ErrorCode.LIMIT_EXCEEDED: (limit_exceeded, "ValidationError"),
    ErrorCode.BATCH_ABORTED: (batch_aborted, "ValidationError"),
    ErrorCode.STALE_TAKE: (stale_take, "StaleTakeError"),
    ErrorCode.LEASE_LOST: (lease_lost, "ConflictError"),
    ErrorCode.ASSET_IN_USE: (asset_in_use, "StateError"),
    ErrorCode.UPLOAD_REFUSED: (upload_refused, "ValidationError"),
    ErrorCode.NOT_SUPPORTED: (not_supported, "NotSupportedError"),
}


@pytest.mark.parametrize("code", list(ErrorCode))
async def test_error_code_is_produced_by_a_request(app: App, code: ErrorCode) -> None:
    """With a full sentence that can be shown to users."""
    produce, kind = PRODUCED[code]
    error = await produce(app)
    assert (error["code"], error["__typename"]) == (code.value, kind)
    assert error["message"].endswith(".")


async def test_every_error_code_has_a_request() -> None:
    """A new code must be added above."""
    assert set(PRODUCED) == set(ErrorCode)
