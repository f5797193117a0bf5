"""The explorer: the page that a browser gets at the API's own address. `web/build` makes it from web/."""

import os
import re
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST = Path(__file__).parent.parent / "web" / "dist"

ASSETS_PATH = "/explorer/assets"  # "/explorer/" is `base` in web/vite.config.ts
A_YEAR_SECONDS = 31_536_000
# Scripts come from files alone; the editor writes style elements. Clips lie wherever their provider keeps them.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data: http: https:",
        "media-src 'self' http: https:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Scenewire</title>
<h1>The explorer is not built yet</h1>
<p>The API at this address works. For this page, run <code>make explorer</code> and reload.</p>
</html>
"""

# Accept, RFC 9110 section 12.5.1: a browser names text/html; an API client names JSON or */*.
_TEXT_HTML = re.compile(r"(?:^|,)\s*text/html\s*(?:;\s*q=(?P<weight>[01](?:\.\d*)?)\s*)?(?=,|$)", re.IGNORECASE)


def wants_explorer(request: Request) -> bool:
    """Whether this is a browser asking for a page, not a client that sends its query by GET."""
    if request.method not in {"GET", "HEAD"} or "query" in request.query_params:
        return False
    html = _TEXT_HTML.search(request.headers.get("accept", ""))
    return html is not None and float(html["weight"] or 1) > 0


def explorer_response(dist: Path = DIST) -> Response:
    """The page, revalidated each time; 503 with advice while it is not built."""
    try:
        page, status_code = (dist / "index.html").read_text("utf-8"), 200
    except FileNotFoundError:
        page, status_code = NOT_BUILT, 503
    headers = {"cache-control": "no-cache", "vary": "accept", "content-security-policy": POLICY}
    return HTMLResponse(page, status_code, headers=headers)


def mount_explorer(app: FastAPI, dist: Path = DIST) -> None:
    """Serve the scripts, styles and fonts that the page asks for."""
    app.mount(ASSETS_PATH, _Assets(dist / "assets"), name="explorer")


class _Assets(StaticFiles):
    """Files whose names hold a hash of their content, so that a browser never asks twice."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)
        self.config_checked = True  # a folder that is not built yet answers 404, not 500

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        packed = Path(f"{os.fspath(full_path)}.gz")  # the build leaves one beside each large file
        if "gzip" in Headers(scope=scope).get("accept-encoding", "") and packed.is_file():
            response = super().file_response(packed, packed.stat(), scope, status_code)
            response.headers["content-encoding"] = "gzip"
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = f"public, max-age={A_YEAR_SECONDS}, immutable"
        response.headers["vary"] = "accept-encoding"
        response.headers["x-content-type-options"] = "nosniff"
        return response
