"""Headers of a proxy, which peers they are accepted from, and idle connections."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.processes.serve import listen
from server.settings import Settings, WrongSettings
from server.transports.protocols.uvicorn_protocols import uvicorn_options
from tests.support import jobs
from tests.support.server_app import App, running
from tests.support.tokens import SECRET, production_server
from tests.support.waiting import TIMEOUT_SECONDS

VIEWER = {"query": "{ viewer { id } }"}
BROWSER = {"accept": "text/html"}
UNTRUSTED_PREFIXES = {
    "other_host": "//evil.example",
    "markup": '/a"><script>',
    "parent": "/a/../b",
    "no_path": "studio",
    "url": "https://evil.example/",
    "long": "/a" * 500,
}


async def location_of_root(http: httpx.AsyncClient, prefix: str, path: str = "/") -> str:
    """Return the address to which the root redirects a client that is no browser, behind a proxy with this prefix."""
    response = await http.get(path, headers={"accept": "*/*", "x-forwarded-prefix": prefix})
    return response.headers["location"]


async def test_prefix_of_trusted_proxy_is_in_every_address(tmp_path: Path) -> None:
    """If PUBLIC_URL has no path: in the redirect, the pages, the OpenAPI document and links to media."""
    async with running(tmp_path, trusted_proxies="127.0.0.1", public_url="https://scenes.example.com") as app:
        proxy = {"x-forwarded-prefix": "/studio/"}
        assert await location_of_root(app.http, "/studio") == "/studio/graphql"
        page = await app.http.get("/graphql", headers=BROWSER | proxy)
        assert 'content="/studio/graphql"' in page.text
        assert 'src="/studio/explorer/assets/' in page.text
        root = await app.http.get("/", headers=BROWSER | proxy)
        assert 'name="storyboard" content="/studio/"' in root.text
        assert 'src="/studio/storyboard/assets/' in root.text
        assert (await app.http.get("/openapi.json", headers=proxy)).json()["servers"] == [{"url": "/studio"}]
        assert (await app.http.post("/studio/graphql", json=VIEWER, headers=proxy)).status_code == 200
        assert await video_url(app, proxy) == "https://scenes.example.com/studio/media/"
        assert await video_url(app, {}) == "https://scenes.example.com/media/"


async def video_url(app: App, headers: dict[str, str]) -> str:
    """Return the beginning of the link to a clip, up to its key."""
    made = await jobs.make(app, jobs.scene(), start=True)
    await jobs.settled(app, made.id)
    query = "query($id: ID!) { job(id: $id) { scenes { nodes { output { url } } } } }"
    body = {"query": query, "variables": {"id": made.id}}
    found: Any = (await app.http.post("/graphql", json=body, headers=headers)).json()["data"]
    return found["job"]["scenes"]["nodes"][0]["output"]["url"].partition(made.id)[0]


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"], ids=["none", "others"])
async def test_prefix_of_another_peer_is_ignored(tmp_path: Path, trusted: str) -> None:
    """Otherwise a client could put a path of its choice into responses that a cache stores for others."""
    async with running(tmp_path, trusted_proxies=trusted) as app:
        assert await location_of_root(app.http, "/studio") == "/graphql"


@pytest.mark.parametrize("prefix", UNTRUSTED_PREFIXES.values(), ids=UNTRUSTED_PREFIXES.keys())
async def test_invalid_prefix_of_trusted_proxy_is_ignored(tmp_path: Path, prefix: str) -> None:
    """The prefix is written into pages and links, so it must be a plain path."""
    async with running(tmp_path, trusted_proxies="127.0.0.1") as app:
        assert await location_of_root(app.http, prefix) == "/graphql"


@pytest.mark.parametrize("prefix", ["/studio", "/api", "/a/media"], ids=["plain", "own_segment", "nested"])
async def test_paths_work_with_and_without_the_path_of_public_url(tmp_path: Path, prefix: str) -> None:
    """Some proxies remove the path, some do not. PUBLIC_URL takes precedence over X-Forwarded-Prefix."""
    public_url = f"https://scenes.example.com{prefix}/"
    async with running(tmp_path, public_url=public_url, trusted_proxies="127.0.0.1") as app:
        made = await jobs.make(app, jobs.scene())
        for passed_on in ("", prefix):
            assert await location_of_root(app.http, "/other", passed_on or "/") == f"{prefix}/graphql"
            for path, status in (
                ("/graphql?query={viewer{id}}", 200),
                ("/graphql/?query={viewer{id}}", 200),
                (f"/api/v3/jobs/{made.id}/scenes", 200),
                (f"/api/v3/jobs/{made.id}/scenes/", 200),
                ("/api/docs", 200),
                ("/healthz", 200),
                ("/media/nothing", 404),
                ("/nowhere", 404),
            ):
                assert (await app.http.get(passed_on + path)).status_code == status, passed_on + path


async def test_proxy_on_dual_stack_listener_is_trusted_by_its_ipv4_address(tmp_path: Path) -> None:
    """Its address arrives as ::ffff:127.0.0.1, and is compared with TRUSTED_PROXIES as 127.0.0.1."""
    settings = {"host": "::", "port": 0, "profile": "production", "auth_secret": SECRET}
    try:
        listener = listen(Settings.model_validate(settings))
    except (OSError, WrongSettings):
        pytest.skip("this machine has no IPv6")
    async with running(tmp_path, listener=listener, trusted_proxies="127.0.0.1") as app:
        assert await location_of_root(app.http, "/studio") == "/studio/graphql"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://scenes.example.com", 200),
        ("https://scenes.example.com:443", 200),
        ("https://SCENES.example.com", 200),
        ("http://scenes.example.com", 403),
        ("https://scenes.example.com:8443", 403),
        ("https://user@scenes.example.com", 403),
    ],
    ids=["public_url", "default_port", "capitals", "other_scheme", "other_port", "user"],
)
async def test_own_origin_is_that_of_public_url_whatever_host_says(tmp_path: Path, origin: str, status: int) -> None:
    """An origin has no path, so that of PUBLIC_URL is ignored."""
    async with running(tmp_path, public_url="https://scenes.example.com/studio") as app:
        for host in ("internal:4000", "127.0.0.1"):
            answer = await app.http.post("/graphql", json=VIEWER, headers={"origin": origin, "host": host})
            assert answer.status_code == status


async def test_default_port_of_host_equals_none(tmp_path: Path) -> None:
    """A proxy may write the default port into Host; the browser leaves it out of Origin."""
    async with running(tmp_path) as app:
        headers = {"origin": "http://localhost", "host": "localhost:80"}
        assert (await app.http.post("/graphql", json=VIEWER, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "missing"),
    [
        ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}, "Upgrade: websocket and"),
        ({"sec-websocket-version": "13", "connection": "Upgrade"}, "header Upgrade: websocket;"),
        ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "upgrade": "websocket"}, "header Connection: Upgrade;"),
    ],
    ids=["both", "upgrade", "connection"],
)
async def test_handshake_that_lost_a_header_is_426_before_authentication(
    tmp_path: Path, headers: dict[str, str], missing: str
) -> None:
    """With 401 a client would look for the error in its token."""
    async with production_server(tmp_path) as place:
        answer = await place.client(None).http.get("/graphql", headers=headers)
        plain = await place.client(None).http.get("/graphql")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert error["extensions"]["code"] == "UPGRADE_REQUIRED"
    assert missing in error["message"]
    assert plain.status_code == 401


async def test_idle_connection_is_closed_after_the_configured_time(tmp_path: Path) -> None:
    """The default of 75 s is longer than proxies keep their connections."""
    assert uvicorn_options(Settings().transport_limits)["timeout_keep_alive"] == 75
    async with running(tmp_path, keep_alive_seconds=1) as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(app.url.rpartition(":")[2]))
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            received = await reader.read()
        writer.close()
    assert json.loads(received.rpartition(b"\r\n")[2]) == {"status": "ok"}
