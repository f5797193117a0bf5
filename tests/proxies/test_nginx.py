"""The server behind a real nginx, with the configuration of deploy/nginx: under a path, over TLS."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from server.settings import Settings
from server.transports.protocols.http_protocol import HttpProtocol
from tests.support import jobs
from tests.support.behind_proxy import FOLLOW, Place, behind, data_of, events_at, socket_at
from tests.support.nginx import documented, nginx
from tests.support.proxy import Proxy
from tests.support.waiting import TIMEOUT_SECONDS

PATH = "/studio"
VIEWER = {"query": "{ viewer { id } }"}
BROWSER = {"accept": "text/html"}


def behind_nginx(folder: Path, configuration: str) -> AbstractAsyncContextManager[Place]:
    """A server below a path behind nginx."""

    def start(port: int, upstream_port: int) -> AbstractAsyncContextManager[Proxy]:
        return nginx(folder, configuration, port=port, upstream_port=upstream_port)

    return behind(folder, start, PATH)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    """The documented configuration."""
    async with behind_nginx(tmp_path, documented(PATH)) as place:
        yield place


async def test_pages_behind_nginx_lead_to_addresses_under_its_path(place: Place) -> None:
    """Covers the redirect from the root, the assets of all pages, the OpenAPI document and its servers."""
    root = await place.http.get(f"{PATH}/")
    assert (root.status_code, root.headers["location"]) == (307, f"{PATH}/graphql")
    storyboard = await place.http.get(f"{PATH}/", headers=BROWSER)
    assert storyboard.status_code == 200
    for source in re.findall(r' (?:src|href)="([^"]+)"', storyboard.text):
        assert source.startswith(f"{PATH}/storyboard/assets/"), source
        assert (await place.http.get(source)).status_code == 200, source
    for path in ("/graphql", "/graphql/", "/api/docs", "/api/docs/"):
        page = await place.http.get(PATH + path, headers=BROWSER)
        assert page.status_code == 200, path
        sources = re.findall(r' (?:src|href)="([^"]+)"', page.text)
        assert sources
        for source in sources:
            assert source.startswith(f"{PATH}/explorer/assets/"), source
            assert (await place.http.get(source)).status_code == 200, source
        addresses = [f"{PATH}/graphql", f"{PATH}/"] if "graphql" in path else [f"{PATH}/openapi.json"]
        assert re.findall(r'content="(/[^"]+)"', page.text) == addresses
    document = (await place.http.get(f"{PATH}/openapi.json")).json()
    assert document["servers"] == [{"url": PATH}]


async def test_apis_and_media_behind_nginx_work_under_its_path(place: Place) -> None:
    """Covers GraphQL with and without a final slash, REST, and the absolute link to a clip."""
    for path in ("/graphql", "/graphql/"):
        assert (await place.http.post(PATH + path, json=VIEWER)).json()["data"]["viewer"]["id"]
    made = await jobs.make(place.app, jobs.scene(), start=True)
    await jobs.settled(place.app, made.id)
    listed = (await place.http.get(f"{PATH}/api/v3/jobs/{made.id}/scenes")).json()
    url = listed["data"][0]["video_url"]
    assert url.startswith(f"{place.url}/media/"), url
    clip = await place.http.get(url, headers={"range": "bytes=0-9"})
    assert (clip.status_code, len(clip.content)) == (206, 10)


async def test_origin_of_public_url_is_own_behind_nginx(place: Place) -> None:
    """For requests and websockets, with any Host header; another origin is rejected."""
    for origin, status in ((place.proxy.origin, 200), ("https://evil.example", 403)):
        headers = {"origin": origin, "host": "internal.example"}
        assert (await place.http.post(f"{PATH}/graphql", json=VIEWER, headers=headers)).status_code == status
        direct = await place.app.http.post("/graphql", json=VIEWER, headers=headers)
        assert direct.status_code == status
    for path in ("/graphql", "/graphql/"):
        async with socket_at(place, path, additional_headers={"origin": place.proxy.origin}):
            pass


async def test_event_stream_behind_nginx_is_not_buffered(place: Place) -> None:
    """Every event arrives while the stream is open."""
    made = await jobs.make(place.app, jobs.scene())
    async with events_at(place, made.id) as lines:
        assert await data_of(lines)
        for number in range(3):
            version = await jobs.retitle(place.app, made.id, f"Title {number}")
            assert json.loads(await data_of(lines))["data"]["jobEvents"] == {"version": version}


async def test_websocket_behind_nginx_receives_events(place: Place) -> None:
    """Each event arrives when it happens."""
    made = await jobs.make(place.app, jobs.scene())
    async with socket_at(place) as socket:
        payload = {"query": FOLLOW, "variables": {"id": made.id}}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        await socket.recv()
        version = await jobs.retitle(place.app, made.id, "Behind nginx")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert json.loads(await socket.recv())["payload"]["data"]["jobEvents"] == {"version": version}


async def test_handshake_without_upgrade_is_426_and_names_the_header(tmp_path: Path) -> None:
    """A proxy has removed the header; the error message names it."""
    lines = [line for line in documented(PATH).splitlines() if "proxy_set_header Upgrade" not in line]
    async with behind_nginx(tmp_path, "\n".join(lines).replace("$connection_upgrade;", '"";')) as place:
        with pytest.raises(InvalidStatus) as refused:
            async with socket_at(place):
                pass
    response = refused.value.response
    (error,) = json.loads(response.body or b"")["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (426, "UPGRADE_REQUIRED")
    assert "Upgrade: websocket" in error["message"]


async def test_idle_connections_of_nginx_are_used_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx closes idle connections before the server does, so no request is sent on a closed one."""
    opened = 0
    connection_made = HttpProtocol.connection_made

    def count(self: HttpProtocol, transport: Any) -> None:
        nonlocal opened
        opened += 1
        connection_made(self, transport)

    monkeypatch.setattr(HttpProtocol, "connection_made", count)
    for _ in range(2):
        assert (await place.http.post(f"{PATH}/graphql", json=VIEWER)).status_code == 200
        await asyncio.sleep(1)
    assert opened == 1
    (nginx_seconds,) = re.findall(r"keepalive_timeout (\d+)s;", documented())
    assert Settings().keep_alive_seconds > int(nginx_seconds)
