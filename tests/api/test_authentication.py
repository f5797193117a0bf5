"""Authentication of requests: which routes require a token, where a token may be, and the errors without one."""

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.support.client import READS_ON_DEMAND, Json
from tests.support.factories import NO_JOB, NO_SCENE
from tests.support.forged_tokens import unsigned
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.viewer_queries import GRAPHQL_WS, VIEWER, close_of_websocket, query_viewer, websocket_url

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_CREDENTIALS = "Authentication is required: send an Authorization header with a Bearer token."
UNSIGNED = unsigned({"alg": "none"}, {"sub": "amy"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server with the explorer."""
    async with production_server(tmp_path_factory.mktemp("authentication"), explorer=True) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("GET", "/graphql"),
        ("GET", "/graphql?query={__typename}"),
        ("PUT", "/graphql"),
        ("GET", "/api/v3/jobs/x/scenes"),
        ("GET", f"/api/v3/jobs/{NO_JOB}/scenes"),
        ("GET", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
        ("PUT", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
        ("POST", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}/regenerate"),
        ("DELETE", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
        ("GET", "/nothing/here"),
        ("GET", "//healthz"),
        ("GET", "/healthz/../graphql"),
    ],
)
async def test_request_without_token_is_refused(server: ProductionServer, method: str, path: str) -> None:
    """On every route, before its body is read; the Host header cannot change the path that is checked."""
    target = {"target": path.encode()}
    for body in (b"", b"{", b'{"query": "{ __typename }"}'):
        answer = await server.app.http.request(method, "/", content=body, extensions=target)
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"] == 'Bearer realm="scenewire"'
    answer = await server.app.http.request(method, "/", extensions=target, headers={"host": "x/healthz?"})
    assert answer.status_code == 400


async def test_token_in_the_query_string_is_not_accepted(server: ProductionServer) -> None:
    """URLs are logged by proxies and servers on the way."""
    valid = token("amy")
    for name in ("token", "access_token", "authorization", "Authorization"):
        answer = await server.app.http.post("/graphql", params={name: f"Bearer {valid}"}, json={"query": VIEWER})
        assert answer.status_code == 401


async def test_authorization_header_must_be_one_bearer_token(server: ProductionServer) -> None:
    """Not another scheme, a token without a scheme, an empty value or two headers."""
    valid = token("amy")
    for values in ([f"Basic {valid}"], [valid], [""], ["Bearer"], [f"Bearer {valid}"] * 2):
        headers = [("authorization", value) for value in values]
        answer = await server.app.http.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert answer.status_code == 401, values


async def test_explorer_and_health_routes_need_no_token(server: ProductionServer) -> None:
    """The page is public where the operator enables it; its requests to the API need a token."""
    for path in ("/healthz", "/readyz", "/api/docs", "/openapi.json"):
        assert (await server.app.http.get(path)).status_code == 200
    page = await server.app.http.get("/graphql", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert (await server.app.http.post("/graphql", headers={"accept": "text/html"})).status_code == 401


async def test_websocket_without_token_is_closed_with_4403(server: ProductionServer) -> None:
    """As the protocol demands for a `connection_init` that is refused."""
    inits: list[Json] = [{}, {"payload": None}, {"payload": {}}, {"payload": {"token": token("amy")}}]
    for init in inits:
        assert await close_of_websocket(server, init) == (4403, NO_CREDENTIALS)
    assert (await close_of_websocket(server, {"payload": {"authorization": 7}}))[0] == 4403


async def test_authentication_error_has_the_shape_of_the_api(server: ProductionServer) -> None:
    """For GraphQL in the media type that the client accepts; for REST in its own shape."""
    for media_type in ("application/json", "application/graphql-response+json"):
        answer = await server.app.http.post("/graphql", json={"query": VIEWER}, headers={"accept": media_type})
        assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert answer.json() == {"errors": [{"message": NO_CREDENTIALS, "extensions": {"code": "UNAUTHENTICATED"}}]}
    rest = await server.app.http.delete("/api/v3/jobs/a/scenes/b")
    assert rest.json() == {"error": {"code": "UNAUTHENTICATED", "message": NO_CREDENTIALS, "details": []}}


@pytest.mark.parametrize(
    ("handshake", "init", "viewer"),
    [
        ("amy", None, "amy"),
        (None, ("authorization", "amy"), "amy"),
        (None, ("Authorization", "amy"), "amy"),
        ("amy", ("authorization", "ben"), "ben"),
    ],
)
async def test_websocket_is_authenticated_by_handshake_or_connection_init(
    server: ProductionServer, handshake: str | None, init: tuple[str, str] | None, viewer: str
) -> None:
    """`connection_init` takes precedence."""
    headers = {} if handshake is None else {"authorization": f"Bearer {token(handshake)}"}
    payload = None if init is None else {init[0]: f"bearer {token(init[1])}"}
    async with connect(
        websocket_url(server), subprotocols=[GRAPHQL_WS], additional_headers=headers, **READS_ON_DEMAND
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": VIEWER}}))
        assert json.loads(await socket.recv())["payload"]["data"]["viewer"]["id"] == viewer


async def test_token_is_optional_in_development(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A valid one sets the viewer and a bad one is refused; without configured keys tokens are ignored."""
    async with production_server(tmp_path_factory.mktemp("laptop"), profile="development") as server:
        assert (await query_viewer(server, None)).json()["data"]["viewer"]["id"] == "local"
        assert (await query_viewer(server, token("amy"))).json()["data"]["viewer"]["id"] == "amy"
        assert (await query_viewer(server, UNSIGNED)).status_code == 401
    async with production_server(tmp_path_factory.mktemp("laptop"), profile="development", auth_secret="") as server:
        assert (await query_viewer(server, UNSIGNED)).json()["data"]["viewer"]["id"] == "local"
