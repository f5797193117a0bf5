"""HTTP responses of the explorer page and its assets; needs no browser."""

import gzip
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from server.explorer import explorer_response, mount_explorer, wants_page

PAGE = """<!doctype html>
<meta name="viewport" content="width=device-width" />
<meta name="graphql" content="{path}/graphql" />
<script type="module" src="{assets}/index-abc.js"></script>
"""
BUILT = PAGE.format(path="", assets="./assets")
SERVED = PAGE.format(path="", assets="/explorer/assets")
SCRIPT = "console.log('explorer')"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build of one page and one script."""
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text(BUILT)
    (assets / "index-abc.js").write_text(SCRIPT)
    (assets / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    return assets.parent


def client(dist: Path) -> httpx.AsyncClient:
    app = FastAPI()
    mount_explorer(app, dist)

    def answer(request: Request) -> Response:
        return explorer_response(dist=dist) if wants_page(request) else Response("api")

    app.add_api_route("/graphql", answer, methods=["GET", "POST"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json;q=0.1, TEXT/HTML;q=0.5"])
async def test_a_browser_gets_the_page_uncached(dist: Path, accept: str) -> None:
    """The URL is shared with the API, so the response has `vary: accept` and is revalidated."""
    response = await client(dist).get("/graphql", headers={"accept": accept})
    assert (response.status_code, response.text) == (200, SERVED)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "accept"
    assert "script-src 'self';" in response.headers["content-security-policy"]


def test_page_under_a_path_names_its_assets_and_the_api_there(dist: Path) -> None:
    """The path is known at run time only, so the server writes it into the built page."""
    page = explorer_response("/a/studio", dist)
    assert bytes(page.body).decode() == PAGE.format(path="/a/studio", assets="/a/studio/explorer/assets")


@pytest.mark.parametrize(("storyboard", "content"), [(True, "/studio/"), (False, "")])
def test_page_names_a_storyboard_that_is_on(dist: Path, storyboard: bool, content: str) -> None:
    """The page links to it, under the path of the server; to one that is off there is no link."""
    (dist / "index.html").write_text('<meta name="storyboard" content="" />')
    page = explorer_response("/studio", dist, storyboard=storyboard)
    assert bytes(page.body).decode() == f'<meta name="storyboard" content="{content}" />'


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0", "text/htmlx", ""])
async def test_an_api_client_does_not_get_the_page(dist: Path, accept: str) -> None:
    """Only an Accept header with text/html is a browser."""
    response = await client(dist).get("/graphql", headers={"accept": accept})
    assert response.text == "api"


async def test_a_get_query_and_a_post_do_not_get_the_page(dist: Path) -> None:
    """Even with the Accept header of a browser."""
    async with client(dist) as http:
        by_get = await http.get("/graphql", params={"query": "{ __typename }"}, headers={"accept": BROWSER})
        by_post = await http.post("/graphql", headers={"accept": BROWSER})
    assert [by_get.text, by_post.text] == ["api", "api"]


@pytest.mark.parametrize(("accept_encoding", "encoding"), [("gzip, br", "gzip"), ("identity", None)])
async def test_hashed_assets_are_immutable_and_compressed_on_request(
    dist: Path, accept_encoding: str, encoding: str | None
) -> None:
    """Same content and content type with and without gzip."""
    response = await client(dist).get("/explorer/assets/index-abc.js", headers={"accept-encoding": accept_encoding})
    assert (response.status_code, response.text) == (200, SCRIPT)
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["vary"] == "accept-encoding"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_explorer_that_is_not_built_returns_503(tmp_path: Path) -> None:
    """The body names the command; once built, the page is served without a restart."""
    async with client(tmp_path / "dist") as http:
        missing = await http.get("/graphql", headers={"accept": BROWSER})
        asset = await http.get("/explorer/assets/index-abc.js")
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").write_text(BUILT)
        built = await http.get("/graphql", headers={"accept": BROWSER})
    assert (missing.status_code, asset.status_code, built.status_code) == (503, 404, 200)
    assert "make explorer" in missing.text


@pytest.mark.parametrize("path", ["..%2findex.html", "../index.html", "%00", "nothing.js"])
async def test_files_outside_the_assets_are_not_served(dist: Path, path: str) -> None:
    """404, also for path traversal."""
    response = await client(dist).get(f"/explorer/assets/{path}")
    assert response.status_code == 404
