"""REST v3, for the clients that exist already: a thin adapter over the same verbs and reads as GraphQL."""

import logging
import math
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, field_validator
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive

from coordinator.commands.inputs import SceneEdit, SceneTarget
from coordinator.webhooks.json_v3 import Answer, progress_answer, scene_answer
from models.db.rows import SceneRow
from models.domain import errors, ids
from models.domain.errors import DomainError, DomainErrors, ErrorCode, Forbidden, NotFound, Unavailable
from models.domain.lifecycle import SceneStatus
from models.domain.paging import Window
from models.reads import listing, queries
from models.reads.listing import SceneQuery
from schema.context import Context
from server.container import Container
from server.rates import REST_COST
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, report, request_id_of, shortened
from server.transports.rate_limiter import TooManyRequests

log = logging.getLogger(__name__)

PREFIX = "/api/v3"
BODY_BYTES = 1_048_576

_CODES = {
    404: ErrorCode.NOT_FOUND,
    405: TransportCode.METHOD_NOT_ALLOWED,
    413: TransportCode.PAYLOAD_TOO_LARGE,
}
_OUR_NAMES = {"video_url": "output_url"}
_THEIR_NAMES = {"output_url": "video_url"}


class SceneUpdate(BaseModel):
    """What PUT may set; what is absent stays, what is unknown is ignored as it always was."""

    model_config = ConfigDict(strict=True)

    status: Literal["pending", "processing", "completed", "failed", "canceled"] | None = None
    provider_id: str | None = None
    video_url: str | None = None
    title: str | None = None
    prompt: str | None = None
    duration_seconds: float | None = None
    percentage: float | None = None
    metadata: dict[str, Any] | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    def edit(self) -> SceneEdit:
        """What was given, in the words of the domain."""
        given = {_OUR_NAMES.get(name, name): getattr(self, name) for name in self.model_fields_set}
        if self.status is not None:
            given["status"] = SceneStatus(self.status.upper())
        return cast("SceneEdit", given)


class _Route(APIRoute):
    """A call that reads no more than BODY_BYTES, and whose accidents end here: logged once, told without details."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As usual, but nothing unexpected gets out: what does is logged by every layer that it passes."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                rates = cast("Container", request.app.state.container).rates
                rates.request(request)
                rates.spend(request, REST_COST)
                limited = Request(request.scope, _limited(request.receive))
                if request.method != "GET":
                    return await handle(limited)
                async with rates.read_slot(request, REST_COST):
                    return await handle(limited)
            except (HTTPException, RequestValidationError, DomainError, DomainErrors, Unavailable):
                raise
            except TooManyRequests as refused:
                details = [{"retry_after_seconds": refused.retry_after_seconds}]
                return error_answer(429, TransportCode.RATE_LIMITED, f"{refused.message}.", details, refused.headers)
            except Exception as error:
                request_id = request_id_of(request)
                details = [{"id": report(error, request_id)["id"], "request_id": request_id}]
                return error_answer(500, TransportCode.INTERNAL, INTERNAL_MESSAGE, details)

        return guarded


def _limited(receive: Receive) -> Receive:
    """Counted while it arrives: the frameworks' own limit answers in plain text."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_BYTES:
            raise HTTPException(413, "The body is too large")
        return message

    return counted


def router(make_context: Callable[[Request], Context]) -> APIRouter:
    """The five calls."""
    api = APIRouter(prefix=PREFIX, tags=["scenes"], route_class=_Route)

    @api.get("/jobs/{job_id}/scenes")
    async def list_scenes(request: Request, job_id: str) -> Answer:
        """The live scenes of a job in play order, and how far it is."""
        context = make_context(request)
        async with context.store.read() as connection:
            reading = (await queries.progress_snapshots(connection, context.viewer, [job_id])).get(job_id)
            job = (await queries.jobs_by_id(connection, context.viewer, [job_id])).get(job_id)
            if reading is None or job is None or job.deleted_at is not None:
                raise _no_job(job_id)
            found = await listing.scenes_of_jobs(connection, [job_id], SceneQuery(Window(None)))
        return {
            "data": [scene_answer(context.media_url, scene) for scene in found[job_id].items],
            "progress": progress_answer(reading),
        }

    @api.get("/jobs/{job_id}/scenes/{scene_id}")
    async def get_scene(request: Request, job_id: str, scene_id: str) -> Answer:
        """One scene."""
        context = make_context(request)
        scene = await _scene(context, job_id, scene_id)
        if scene.job_deleted_at is not None:
            raise _no_job(job_id)
        if scene.deleted_at is not None:
            raise _no_scene(scene_id)
        return {"data": scene_answer(context.media_url, scene)}

    @api.put("/jobs/{job_id}/scenes/{scene_id}")
    async def update_scene(request: Request, job_id: str, scene_id: str, update: SceneUpdate) -> Answer:
        """Edit a scene, or report on it."""
        context = make_context(request)
        async with context.coordinator.audit.of(context.viewer, "updateScene", scene_id):
            await context.coordinator.scenes.update(context.viewer, SceneTarget(scene_id, job_id), update.edit())
        return {"data": scene_answer(context.media_url, await _scene(context, job_id, scene_id))}

    @api.post("/jobs/{job_id}/scenes/{scene_id}/regenerate")
    async def regenerate_scene(request: Request, job_id: str, scene_id: str) -> Answer:
        """Put a finished scene back to pending, to be rendered anew."""
        context = make_context(request)
        async with context.coordinator.audit.of(context.viewer, "regenerateScene", scene_id):
            await context.coordinator.scenes.regenerate(context.viewer, SceneTarget(scene_id, job_id))
        return {"data": scene_answer(context.media_url, await _scene(context, job_id, scene_id))}

    @api.delete("/jobs/{job_id}/scenes/{scene_id}")
    async def delete_scene(request: Request, job_id: str, scene_id: str) -> Answer:
        """Delete a scene; refused while its job is processing."""
        context = make_context(request)
        async with context.coordinator.audit.of(context.viewer, "deleteScene", scene_id):
            await context.coordinator.scenes.delete(context.viewer, SceneTarget(scene_id, job_id))
        return {"data": scene_answer(context.media_url, await _scene(context, job_id, scene_id))}

    return api


def answer_errors(app: FastAPI) -> None:
    """Refusals, bad bodies and wrong addresses under /api/v3 as `{"error": {code, message, details}}`."""

    async def refusal(_request: Request, error: Exception) -> JSONResponse:
        refusals = error.refusals if isinstance(error, DomainErrors) else [cast("DomainError", error)]
        first = refusals[0]
        details = [{"code": each.code, "message": each.message, "path": _path(each)} for each in refusals]
        message = "; ".join(each.message for each in refusals)
        return error_answer(_status(first), first.code, message, details, _headers(first))

    async def bad_body(_request: Request, error: Exception) -> JSONResponse:
        problems = cast("RequestValidationError", error).errors()
        details = [
            {
                "code": ErrorCode.VALIDATION_FAILED,
                "message": problem["msg"],
                "path": [part for part in problem["loc"] if part != "body" and isinstance(part, str)],
            }
            for problem in problems
        ]
        return error_answer(422, ErrorCode.VALIDATION_FAILED, _NOT_UNDERSTOOD, details)

    async def wrong_call(request: Request, error: Exception) -> Response:
        said = cast("HTTPException", error)
        if not request.url.path.startswith(f"{PREFIX}/"):
            return await http_exception_handler(request, said)
        if said.status_code == 400:
            # JSON that the decoder chokes on otherwise than by its grammar: bytes, numbers, depth.
            return error_answer(422, ErrorCode.VALIDATION_FAILED, _NOT_UNDERSTOOD, [])
        code = _CODES.get(said.status_code, TransportCode.BAD_REQUEST)
        return error_answer(said.status_code, code, f"{said.detail}.", [], said.headers)

    async def unavailable(_request: Request, error: Exception) -> JSONResponse:
        away = cast("Unavailable", error)
        log.warning("%s: %s", away.code, away.__cause__, extra={"action": "unavailable"})
        return error_answer(503, away.code, away.message, [])

    app.add_exception_handler(Unavailable, unavailable)
    app.add_exception_handler(DomainError, refusal)
    app.add_exception_handler(DomainErrors, refusal)
    app.add_exception_handler(RequestValidationError, bad_body)
    app.add_exception_handler(HTTPException, wrong_call)


async def _scene(context: Context, job_id: str, scene_id: str) -> SceneRow:
    async with context.store.read() as connection:
        scene = (await queries.scenes_by_id(connection, context.viewer, [scene_id])).get(scene_id)
        job = (await queries.jobs_by_id(connection, context.viewer, [job_id])).get(job_id)
    if job is None:
        raise _no_job(job_id)
    if scene is None:
        raise _no_scene(scene_id)
    if scene.job_id != job_id:
        raise NotFound("The scene belongs to another job.", ["scene_id"], scene_id, ErrorCode.SCENE_NOT_IN_JOB)
    return scene


def _no_job(job_id: str) -> NotFound:
    return NotFound("There is no such job.", ["job_id"], job_id if ids.is_id(job_id, "job") else None)


def _no_scene(scene_id: str) -> NotFound:
    return NotFound("The job has no such scene.", ["scene_id"], scene_id if ids.is_id(scene_id, "scene") else None)


def _status(refusal: DomainError) -> int:
    match refusal:
        case NotFound():
            return 404
        case Forbidden():
            return 403
        case errors.QuotaExceeded():
            return 429
        case _:
            return 422


def _headers(refusal: DomainError) -> dict[str, str] | None:
    """When to come back, in whole seconds: RFC 9110, section 10.2.3."""
    if isinstance(refusal, errors.QuotaExceeded):
        return {"Retry-After": str(math.ceil(refusal.retry_after_seconds))}
    return None


def _path(refusal: DomainError) -> list[str]:
    """Where the problem is, in the names of this API."""
    parts = [part for part in refusal.path or () if part != "input"]
    snake = [re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match.group(1).lower()}", part) for part in parts]
    return [_THEIR_NAMES.get(part, part) for part in snake]


def error_answer(
    status: int,
    code: str,
    message: str,
    details: list[dict[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error in the shape of this API."""
    body = {"code": code, "message": shortened(message), "details": details}
    return JSONResponse({"error": body}, status, headers)


_NOT_UNDERSTOOD = "The request cannot be understood."
