"""The explorer: the page that browsers are served at /graphql. `web/build` builds it from web/."""

import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from server.transports.documents.params import has_document

DIST = Path(__file__).parent.parent / "web" / "dist"

ASSETS_PATH = "/explorer/assets"
# The pages of the build refer to their assets by this prefix (`base` in web/vite.config.ts), and name our addresses as
# the content of meta elements.
_ASSET_REFERENCE = re.compile(r'(?<==")\./assets/')
_ADDRESS = re.compile(r'(?<=content=")(?=/)')
A_YEAR_SECONDS = 31_536_000
# Scripts only from files; the editor inserts style elements; clips may be on the host of any provider.
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
<h1>This page is not built yet</h1>
<p>The API works. For this page, run <code>make explorer</code> and reload.</p>
</html>
"""

# Accept, RFC 9110 section 12.5.1: a browser names text/html; an API client names JSON or */*.
_TEXT_HTML = re.compile(r"(?:^|,)\s*text/html\s*(?:;\s*q=(?P<weight>[01](?:\.\d*)?)\s*)?(?=,|$)", re.IGNORECASE)


def wants_page(request: Request) -> bool:
    """Whether a browser requests a page, as opposed to a client that sends a GraphQL query by GET."""
    if request.method not in {"GET", "HEAD"} or has_document(request.query_params):
        return False
    html = _TEXT_HTML.search(request.headers.get("accept", ""))
    return html is not None and float(html["weight"] or 1) > 0


def explorer_response(public_path: str = "", dist: Path = DIST, *, storyboard: bool = True) -> Response:
    """Return the page, for a browser that reaches the server under `public_path`. It links a storyboard that is on."""
    contents = {"storyboard": f"{public_path}/" if storyboard else ""}
    return page_response(dist / "index.html", public_path, POLICY, {"vary": "accept"}, contents=contents)


def page_response(
    page: Path,
    public_path: str,
    policy: str,
    headers: Mapping[str, str] | None = None,
    *,
    assets_path: str = ASSETS_PATH,
    contents: Mapping[str, str] | None = None,
) -> Response:
    """Return a built page, to be revalidated by the browser each time; 503 while it is not built.

    `contents` are written into the meta elements of these names.
    """
    try:
        html, status_code = page.read_text("utf-8"), 200
    except FileNotFoundError:
        html, status_code = NOT_BUILT, 503
    html = _ASSET_REFERENCE.sub(f"{public_path}{assets_path}/", html)
    html = _ADDRESS.sub(public_path, html)
    for name, content in (contents or {}).items():
        html = html.replace(f'<meta name="{name}" content=""', f'<meta name="{name}" content="{escape(content)}"')
    own_headers = {"cache-control": "no-cache", "content-security-policy": policy}
    return HTMLResponse(html, status_code, headers=own_headers | dict(headers or {}))


def mount_explorer(app: FastAPI, dist: Path = DIST) -> None:
    """Serve the scripts, styles and fonts of the page."""
    app.mount(ASSETS_PATH, Assets(dist / "assets"), name="explorer")


class Assets(StaticFiles):
    """Files that a browser caches for a year, because their names contain a hash of their content."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)
        self.config_checked = True  # so that a folder that is not built yet is 404, not 500

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        compressed = Path(f"{os.fspath(full_path)}.gz")  # the build adds one to each large file
        if "gzip" in Headers(scope=scope).get("accept-encoding", "") and compressed.is_file():
            response = super().file_response(compressed, compressed.stat(), scope, status_code)
            response.headers["content-encoding"] = "gzip"
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = f"public, max-age={A_YEAR_SECONDS}, immutable"
        response.headers["vary"] = "accept-encoding"
        response.headers["x-content-type-options"] = "nosniff"
        return response
