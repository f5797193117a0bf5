"""Requests that offer HTTP/2 in the Upgrade header, as `curl --http2` and Java's HttpClient send them."""

import asyncio
import json
import shutil

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.raw_http import raw_exchange
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFER = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"


async def offered(app: App, method: str, path: str, **fields: str) -> Json:
    """Send a request whose body is the fields as JSON, and return the answer, which must be 200."""
    host, port = app.url.removeprefix("http://").split(":")
    body = json.dumps(fields)
    head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{OFFER}"
    response = await raw_exchange(host, int(port), f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    assert response.status == 200
    return response.json


async def test_offer_of_http_2_keeps_the_body_of_graphql_and_rest(shared: App) -> None:
    """The offer is ignored and the request is answered over HTTP/1.1."""
    assert (await offered(shared, "POST", "/graphql", query="{ viewer { id } }"))["data"]["viewer"]["id"]
    made = await jobs.make(shared)
    answer = await offered(shared, "PUT", f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}", title="Offered")
    assert answer["data"]["title"] == "Offered"


@pytest.mark.process
async def test_curl_with_http_2_gets_its_answer(shared: App) -> None:
    """curl --http2 offers an upgrade if its build supports HTTP/2."""
    curl = shutil.which("curl")
    assert curl is not None
    body = json.dumps({"query": "{ viewer { id } }"})
    arguments = ["-s", "--http2", "-H", "content-type: application/json", "-d", body, f"{shared.url}/graphql"]
    process = await asyncio.create_subprocess_exec(curl, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert json.loads(output)["data"]["viewer"]["id"]
