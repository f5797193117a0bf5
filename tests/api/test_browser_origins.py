"""Pages of other origins: what they may send and read, and the error messages for their developers."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.server_app import App, running

DEV_SERVER, OTHER_DEV_SERVER = "http://localhost:5173", "http://localhost:5174"
QUERY = {"query": "{ viewer { id } }"}
SETTING = "SCENEWIRE_ALLOWED_ORIGINS"
TRACED = (
    "authorization, content-type, x-request-id, traceparent, tracestate, baggage, sentry-trace, "
    "apollographql-client-name, apollographql-client-version, apollo-require-preflight, x-requested-with"
)


def preflight(origin: str, headers: str, method: str = "POST") -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}


@pytest.fixture
async def open_app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server that lists the origin and one more header."""
    async with running(tmp_path, allowed_origins=DEV_SERVER, allowed_headers="X-Tenant, x-trace") as app:
        yield app


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("GET", "/graphql?query={viewer{id}}"),
        ("OPTIONS", "/graphql"),
        ("GET", "/api/v3/jobs/1/scenes"),
        ("PUT", "/api/v3/jobs/1/scenes/1"),
        ("OPTIONS", "/api/v3/jobs/1/scenes/1"),
    ],
)
@pytest.mark.parametrize("listed", ["", "https://app.example.com"], ids=["none_listed", "others_listed"])
async def test_page_of_an_unlisted_origin_gets_the_name_of_the_setting(
    tmp_path: Path, method: str, path: str, listed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The body names it in the shapes of GraphQL and REST, without CORS headers; the log has one line per origin."""
    async with running(tmp_path, allowed_origins=listed) as app:
        for origin in (DEV_SERVER, DEV_SERVER, OTHER_DEV_SERVER):
            headers = preflight(origin, "content-type") if method == "OPTIONS" else {"origin": origin}
            answer = await app.http.request(method, path, headers=headers, json=QUERY)
            assert answer.status_code == 403
            (error,) = answer.json()["errors"]
            assert error["extensions"] == {"code": "FORBIDDEN"}
            assert SETTING in error["message"]
            assert answer.json()["error"] == {"code": "FORBIDDEN", "message": error["message"], "details": []}
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "origin"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"Rejected a request from a page of {origin}: {SETTING} does not list it"
        for origin in (DEV_SERVER, OTHER_DEV_SERVER)
    ]


async def test_websocket_of_an_unlisted_origin_gets_the_name_of_the_setting(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """The body of the response to its handshake names it, with the id of the request."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws{app.url.removeprefix('http')}/graphql", additional_headers={"origin": DEV_SERVER}):
            pass
    response = refused.value.response
    assert (response.status_code, response.headers["cache-control"]) == (403, "no-store")
    assert response.headers["x-request-id"]
    assert response.body is not None
    assert SETTING in json.loads(response.body)["errors"][0]["message"]
    assert [DEV_SERVER in record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [True]


async def test_log_of_rejected_origins_is_bounded(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The header is free text: a client sends many names, long names and names that are not ASCII."""
    names = [b"http://a%d.example" % number for number in range(150)]
    for name in (b"http://\xe9\x85.example/" + b"x" * 10_000, *names):
        answer = await app.http.post("/graphql", json=QUERY, headers=[(b"origin", name)])
        assert answer.status_code == 403
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 100
    assert all(len(warning) < 400 and warning.isascii() for warning in warnings[1:])


async def test_preflight_allows_the_headers_of_common_clients(open_app: App) -> None:
    """Those of tracing, Apollo Client and Sentry, and those of the setting ALLOWED_HEADERS."""
    answer = await open_app.http.options("/graphql", headers=preflight(DEV_SERVER, f"{TRACED}, x-tenant, X-Trace"))
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, DEV_SERVER)
    other = await open_app.http.options("/graphql", headers=preflight(DEV_SERVER, "x-other"))
    assert other.status_code == 400


async def test_listed_origin_may_read_the_request_id(open_app: App) -> None:
    """The page may read Retry-After too, from GraphQL and REST; it may have chosen the request id itself."""
    headers = {"origin": DEV_SERVER, "x-request-id": "page-1"}
    for answer in (
        await open_app.http.post("/graphql", json=QUERY, headers=headers),
        await open_app.http.get("/api/v3/jobs/1/scenes", headers=headers),
    ):
        exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        uploads = {"tus-resumable", "tus-version", "upload-expires", "upload-length", "upload-offset"}
        assert exposed == {"retry-after", "x-request-id"} | uploads
        assert answer.headers["x-request-id"] == "page-1"
        assert answer.headers["access-control-allow-origin"] == DEV_SERVER


async def test_request_through_the_proxy_of_a_dev_server_is_accepted(app: App) -> None:
    """Vite's proxy leaves the Host header as the browser sent it, so the page has the server's own origin."""
    headers = {"origin": DEV_SERVER, "host": "localhost:5173"}
    answer = await app.http.post("/graphql", json=QUERY, headers=headers)
    assert answer.status_code == 200
    address = f"ws{app.url.removeprefix('http')}/graphql"
    async with httpx.AsyncClient() as http:
        handshake = {
            **headers,
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol": "graphql-transport-ws",
        }
        async with http.stream("GET", address.replace("ws", "http", 1), headers=handshake) as response:
            assert response.status_code == 101
