"""Errors of REST v3, all of one shape: `{"error": {"code", "message", "details"}}`."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from models.domain.errors import (
    DomainError,
    DomainErrors,
    ErrorCode,
    Forbidden,
    LeaseLost,
    NotFound,
    NotSupported,
    QuotaExceeded,
    StaleTake,
    Unavailable,
)
from server.rest.names import PREFIX, REST_NAMES
from server.transports.errors import TransportCode, shortened

log = logging.getLogger(__name__)

BAD_REQUEST_MESSAGE = "The request cannot be understood."

_CODES = {
    404: ErrorCode.NOT_FOUND,
    405: TransportCode.METHOD_NOT_ALLOWED,
    413: TransportCode.PAYLOAD_TOO_LARGE,
}


def error_response(
    status: int,
    code: str,
    message: str,
    details: list[dict[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make an error response of this API."""
    body = {"code": code, "message": shortened(message), "details": details}
    return JSONResponse({"error": body}, status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Answer domain errors, invalid bodies and unknown paths under /api/v3 in the shape of this API."""
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(DomainErrors, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_body)
    app.add_exception_handler(HTTPException, _http_error)


async def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    errors = error.refusals if isinstance(error, DomainErrors) else [cast("DomainError", error)]
    first = errors[0]
    details = [_detail(each) for each in errors]
    message = "; ".join(each.message for each in errors)
    return error_response(_status(first), first.code, message, details, _headers(first))


async def _invalid_body(_request: Request, error: Exception) -> JSONResponse:
    problems = cast("RequestValidationError", error).errors()
    details = [
        {
            "code": ErrorCode.VALIDATION_FAILED,
            "message": problem["msg"],
            "path": _path_in_body(problem),
        }
        for problem in problems
    ]
    return error_response(422, ErrorCode.VALIDATION_FAILED, BAD_REQUEST_MESSAGE, details)


async def _http_error(request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    if not request.url.path.startswith(f"{PREFIX}/"):
        return await http_exception_handler(request, http_error)
    if http_error.status_code == 400:
        # JSON that fails in the decoder beyond its grammar: invalid UTF-8, huge numbers, deep nesting.
        return error_response(422, ErrorCode.VALIDATION_FAILED, BAD_REQUEST_MESSAGE, [])
    code = _CODES.get(http_error.status_code, TransportCode.BAD_REQUEST)
    return error_response(http_error.status_code, code, f"{http_error.detail}.", [], http_error.headers)


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    unavailable = cast("Unavailable", error)
    log.warning("%s: %s", unavailable.code, unavailable.__cause__, extra={"action": "rest.unavailable"})
    return error_response(503, unavailable.code, unavailable.message, [])


def _detail(error: DomainError) -> dict[str, Any]:
    detail: dict[str, Any] = {"code": error.code, "message": error.message, "path": _path(error)}
    if isinstance(error, QuotaExceeded):
        detail["retry_after_seconds"] = error.retry_after_seconds
    elif isinstance(error, StaleTake):
        detail |= {"current_take_number": error.take_number, "current_provider_id": error.provider_id}
    elif isinstance(error, NotSupported):
        detail |= {"model": error.model, "allowed": error.allowed, "alternatives": error.alternatives}
    return detail


def _path_in_body(problem: Mapping[str, Any]) -> list[str]:
    """Return the path of an invalid field, the places in lists included; empty where the body is no JSON."""
    if problem["type"] == "json_invalid":
        return []
    return [str(part) for part in problem["loc"] if part != "body"]


def _status(error: DomainError) -> int:
    match error:
        case NotFound():
            return 404
        case Forbidden():
            return 403
        case LeaseLost():
            return 409
        case QuotaExceeded():
            return 429
        case _:
            return 422


def _headers(error: DomainError) -> dict[str, str] | None:
    """Return Retry-After in whole seconds for a quota (RFC 9110, section 10.2.3)."""
    if isinstance(error, QuotaExceeded):
        return {"Retry-After": str(math.ceil(error.retry_after_seconds))}
    return None


def _path(error: DomainError) -> list[str]:
    """Return the path of the error's field in the names of this API."""
    parts = [part for part in error.path or () if part != "input"]
    snake = [re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match.group(1).lower()}", part) for part in parts]
    return [REST_NAMES.get(part, part) for part in snake]
