"""The page at /api/docs: Swagger UI from our own origin, built from web/ like the explorer."""

from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

from server.explorer import DIST, page_response
from server.middleware.forwarding import public_path

PATH = "/api/docs"
# Swagger UI sets style attributes, and draws its icons from data: addresses.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def add_docs(app: FastAPI, dist: Path = DIST) -> None:
    """Add the page; its assets are those of the explorer."""

    async def docs(request: Request) -> Response:
        return page_response(dist / "api-docs.html", public_path(request), POLICY)

    app.add_api_route(PATH, docs, methods=["GET", "HEAD"], include_in_schema=False)
