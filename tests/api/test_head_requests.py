"""HEAD: the status and the headers of GET, without a body (RFC 9110, 9.3.2)."""

import pytest

from tests.support import jobs
from tests.support.queries import MEDIA, read_scene
from tests.support.raw_http import raw_connection
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

# One request differs from the next in these.
VARYING = {"date", "x-request-id"}


async def same_without_body(app: App, path: str, accept: str = "*/*") -> int:
    """Compare HEAD and GET on one connection, so that a body of the first would be read as the second response."""
    host, port = app.url.removeprefix("http://").split(":")
    heads: list[dict[str, str]] = []
    async with raw_connection(host, int(port)) as connection:
        for method in ("HEAD", "GET"):
            await connection.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\n\r\n".encode())
            response = await connection.response(head=method == "HEAD")
            heads.append({name: value for name, value in response.headers.items() if name not in VARYING})
            heads[-1]["status"] = str(response.status)
    assert heads[0] == heads[1]
    assert "content-length" in heads[0]
    return int(heads[0]["status"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 307),
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
    """Load balancers and link checkers send it."""
    assert await same_without_body(shared, path) == status


async def test_head_of_rest_reads_and_of_media_has_the_headers_of_get(shared: App) -> None:
    """The list, one scene, and its clip."""
    made = await jobs.make(shared, jobs.scene(steps=1), start=True)
    assert await jobs.settled(shared, made.id) == "COMPLETED"
    clip = (await read_scene(shared, made.scenes[0], f"output {MEDIA}"))["output"]["url"]
    scenes = f"/api/v3/jobs/{made.id}/scenes"
    for path in (scenes, f"{scenes}/{made.scenes[0]}", clip.removeprefix("http://scenewire.test")):
        assert await same_without_body(shared, path) == 200


async def test_head_of_the_explorer_has_the_headers_of_get(shared: App) -> None:
    """503 while it is not built."""
    assert await same_without_body(shared, "/graphql", "text/html") in (200, 503)
