"""Cache-Control of every response: only media and the files of the explorer may be stored."""

from typing import Any

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.queries import MEDIA, read_scene
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

SSE = {"accept": "text/event-stream"}
CASES: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "query": ("POST", "/graphql", {"json": {"query": "{ viewer { id } }"}}, 200),
    "query_by_get": ("GET", "/graphql?query={viewer{id}}", {}, 200),
    "query_as_event_stream": ("POST", "/graphql", {"json": {"query": "{ viewer { id } }"}, "headers": SSE}, 200),
    "invalid_document": ("POST", "/graphql", {"json": {"query": "{"}}, 200),
    "invalid_body": ("POST", "/graphql", {"json": 1}, 400),
    "invalid_type": ("POST", "/graphql", {"content": b"{}"}, 415),
    "method": ("PATCH", "/graphql", {}, 405),
    "other_origin": ("POST", "/graphql", {"headers": {"origin": "https://evil.example"}}, 403),
    "rest_error": ("GET", "/api/v3/jobs/1/scenes", {}, 404),
    "rest_method": ("PATCH", "/api/v3/jobs/1/scenes", {}, 405),
    "rest_body": ("PUT", "/api/v3/jobs/1/scenes/1", {"content": b"{"}, 422),
    "unknown_path": ("GET", "/nowhere", {}, 404),
    "unknown_media": ("GET", "/media/nothing", {}, 404),
    "liveness": ("GET", "/healthz", {}, 200),
    "readiness": ("GET", "/readyz", {}, 200),
    "openapi": ("GET", "/openapi.json", {}, 200),
}


@pytest.mark.parametrize("case", CASES)
async def test_response_of_the_api_is_not_stored(shared: App, case: str) -> None:
    """A response is valid for one moment and one user, errors included (RFC 9111, 5.2.2.5)."""
    method, path, options, status = CASES[case]
    answer = await shared.http.request(method, path, **options)
    assert (answer.status_code, answer.headers.get_list("cache-control")) == (status, ["no-store"])


async def test_response_of_rest_is_not_stored_and_that_of_media_is(shared: App) -> None:
    """Media may be stored, because a clip never changes."""
    made = await jobs.make(shared, jobs.scene(steps=1), start=True)
    assert await jobs.settled(shared, made.id) == "COMPLETED"
    files: Json = await read_scene(shared, made.scenes[0], f"output {MEDIA}")
    clip = await shared.http.get(files["output"]["url"].removeprefix("http://scenewire.test"))
    assert clip.headers["cache-control"] == "private, max-age=31536000, immutable"
    for path in (f"/api/v3/jobs/{made.id}/scenes", f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}"):
        answer = await shared.http.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


async def test_event_stream_is_not_stored(shared: App) -> None:
    """A subscription over server-sent events is sent with `no-store`."""
    made = await jobs.make(shared)
    document = {"query": f'subscription {{ jobEvents(jobId: "{made.id}") {{ __typename }} }}'}
    async with shared.http.stream("POST", "/graphql", json=document, headers=SSE) as answer:
        assert (answer.status_code, answer.headers.get_list("cache-control")) == (200, ["no-store"])
