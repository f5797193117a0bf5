"""HEAD: the status and the headers of GET, without a body (RFC 9110, 9.3.2)."""

from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.queries import MEDIA, read_scene
from tests.support.raw_http import raw_connection
from tests.support.server_app import App, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

# One request differs from the next in these.
VARYING = {"date", "x-request-id"}


async def heads(app: App, *requests: tuple[str, str], accept: str = "*/*") -> list[dict[str, str]]:
    """Return status and headers of these methods and paths, all on one connection: a body in the response to HEAD would
    be read as the next response.
    """
    host, port = app.url.removeprefix("http://").split(":")
    found: list[dict[str, str]] = []
    async with raw_connection(host, int(port)) as connection:
        for method, path in requests:
            await connection.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\n\r\n".encode())
            response = await connection.response(head=method == "HEAD")
            found.append({name: value for name, value in response.headers.items() if name not in VARYING})
            found[-1]["status"] = str(response.status)
    return found


async def same_without_body(app: App, path: str, accept: str = "*/*") -> int:
    """Compare HEAD and GET."""
    head, get = await heads(app, ("HEAD", path), ("GET", path), accept=accept)
    assert head == get
    assert "content-length" in head
    return int(head["status"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/api/docs", 200),
        ("/openapi.json", 200),
        ("/graphql?query={viewer{id}}", 200),
        ("/graphql?query={", 200),
        ("/api/v3/jobs/1/scenes", 404),
        ("/nowhere", 404),
        ("/media/nothing", 404),
    ],
)
async def test_head_of_a_route_has_the_headers_of_get(shared: App, path: str, status: int) -> None:
    """Load balancers and link checkers send HEAD."""
    assert await same_without_body(shared, path) == status


async def test_head_of_rest_reads_and_of_media_has_the_headers_of_get(shared: App) -> None:
    """The list of scenes, one scene, and its clip."""
    made = await jobs.make(shared, jobs.scene(steps=1), start=True)
    assert await jobs.settled(shared, made.id) == "COMPLETED"
    clip = (await read_scene(shared, made.scenes[0], f"output {MEDIA}"))["output"]["url"]
    scenes = f"/api/v3/jobs/{made.id}/scenes"
    for path in (scenes, f"{scenes}/{made.scenes[0]}", clip.removeprefix("http://scenewire.test")):
        assert await same_without_body(shared, path) == 200


async def test_head_of_the_explorer_has_the_headers_of_get(shared: App) -> None:
    """Also while the page is not built: both have status 503."""
    assert await same_without_body(shared, "/graphql", "text/html") in (200, 503)


@pytest.mark.parametrize("prefix", ["", "/studio"], ids=["plain", "under_prefix"])
async def test_head_of_the_root_is_200_with_the_headers_of_the_explorer(tmp_path: Path, prefix: str) -> None:
    """To which GET redirects where the storyboard is off; uptime checks that send HEAD follow no redirect."""
    async with running(tmp_path, public_url=f"http://scenewire.test{prefix}", storyboard=False) as app:
        page = f"{prefix}/graphql"
        requests = [("HEAD", f"{prefix}/"), ("HEAD", prefix or "/"), ("GET", page), ("GET", f"{prefix}/")]
        head, shorter, get, redirect = await heads(app, *requests, accept="text/html")
    assert head == shorter == get | {"status": "200"}
    assert head["content-type"].startswith("text/html")
    assert (redirect["status"], redirect["location"]) == ("307", page)


async def test_head_of_the_root_has_the_headers_of_the_storyboard(shared: App) -> None:
    """Always with status 200, also while the page is not built."""
    head, get, other = await heads(shared, ("HEAD", "/"), ("GET", "/"), ("HEAD", "/?job=1"), accept="text/html")
    assert head == other == get | {"status": "200"}
    assert head["content-type"].startswith("text/html")
    (plain,) = await heads(shared, ("HEAD", "/"))
    assert plain["status"] == "200"
