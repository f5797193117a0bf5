"""The OpenAPI document: the calls of REST v3, their error responses, authentication, and where the server is."""

from typing import Any, Final

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse

from server.middleware.forwarding import public_path
from server.rest.rest_routes import RestRoutes

PATH: Final = "/openapi.json"


class Error(BaseModel):
    """An error: a code to branch on, a message for people, and details."""

    code: str
    message: str
    details: list[dict[str, Any]]


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: Error


def _error(description: str, *, retry_after: bool = False) -> dict[str, Any]:
    seconds = {"description": "Seconds until the next attempt may succeed", "schema": {"type": "integer"}}
    headers = {"headers": {"Retry-After": seconds}} if retry_after else {}
    return {"model": ErrorResponse, "description": description, **headers}


ERROR_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    401: _error("The token is missing, invalid, expired or revoked"),
    403: _error("The token's roles do not allow the call, or its page is of an origin that may not call the server"),
    404: _error("There is no such job or scene, or the caller may not see it"),
    422: _error("The body is invalid, or the state of the scene or its job does not allow the call"),
    429: _error("A rate limit or quota is used up", retry_after=True),
    503: _error("The database does not answer; try again"),
}
BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the identity provider, or of `python -m server token`",
}


def add_openapi(app: FastAPI, rest: RestRoutes, *, tokens_required: bool) -> None:
    """Add the route of the document. In development a token is optional."""
    security: list[dict[str, list[str]]] = [{"bearer": []}] if tokens_required else [{}, {"bearer": []}]

    async def document(request: Request) -> JSONResponse:
        await rest.load()
        described = app.openapi()
        return JSONResponse(
            {
                **described,
                "servers": [{"url": public_path(request) or "/"}],
                "security": security,
                "components": {**described["components"], "securitySchemes": {"bearer": BEARER}},
            }
        )

    app.add_api_route(PATH, document, methods=["GET", "HEAD"], include_in_schema=False)
