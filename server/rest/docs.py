"""The page at /api/docs: FastAPI's Swagger UI, with a Content-Security-Policy that allows nothing else to run in it."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

PATH = "/api/docs"
_CDN = "https://cdn.jsdelivr.net"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def add_docs(app: FastAPI) -> None:
    """Add the page. Swagger's script and style come from FastAPI's CDN; inline scripts are allowed by their hash."""
    page = get_swagger_ui_html(openapi_url=app.openapi_url or "", title=app.title)
    hashes = [_source(script) for script in _SCRIPT.findall(page.body)]
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_CDN} {' '.join(hashes)}",
            f"style-src {_CDN} 'unsafe-inline'",
            "img-src 'self' data: https://fastapi.tiangolo.com",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )

    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers={"content-security-policy": policy})

    app.add_api_route(PATH, docs, methods=["GET", "HEAD"], include_in_schema=False)


def _source(script: bytes) -> str:
    """Return the hash source of an inline script: https://www.w3.org/TR/CSP3/#grammardef-hash-source"""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
