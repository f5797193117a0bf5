"""The short ways of a request through the server, compared with those of the frameworks that they replace."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import telemetry_is_on
from server.transports.header_values import value_of, values_of
from server.transports.responses.accept import EVENT_STREAM, GRAPHQL_RESPONSE, JSON
from server.transports.responses.http_errors import JSONAnswer, json_response
from server.transports.router import DirectRoute, Endpoints

HEADERS = [(b"accept", b"text/html"), (b"origin", b"https://a.test"), (b"accept", b"\xe9*/*"), (b"x-empty", b"")]


async def messages_of(app: ASGIApp, scope: Scope) -> list[MutableMapping[str, Any]]:
    """Return what an application sends for a request."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL_RESPONSE, EVENT_STREAM, None], ids=["json", "gql", "sse", "none"])
async def test_answer_sends_what_the_framework_response_sends(media_type: str | None) -> None:
    """The same status, headers and bytes."""
    body = {"data": {"name": "Zoë", "big": 2**70}}
    scope: Scope = {"type": "http", "method": "POST", "headers": []}
    answer, response = JSONAnswer(body, 400, media_type), json_response(body, 400, media_type)
    (start, content), (expected_start, expected) = await messages_of(answer, scope), await messages_of(response, scope)
    assert sorted(start.pop("headers")) == sorted(expected_start.pop("headers"))
    assert (start, content) == (expected_start, expected)


@pytest.mark.parametrize("name", ["accept", "origin", "x-empty", "x-none"])
def test_header_values_are_those_that_the_framework_reads(name: str) -> None:
    """All of them, and the first."""
    scope: Scope = {"type": "http", "headers": HEADERS}
    headers = Headers(scope=scope)
    assert values_of(scope, name.encode()) == headers.getlist(name)
    assert value_of(scope, name.encode()) == headers.get(name)


@pytest.mark.parametrize(
    ("kind", "path", "receiver"),
    [
        ("http", "/graphql", "http"),
        ("websocket", "/graphql", "websocket"),
        ("http", "/graphql/more", "rest"),
        ("http", "/api/jobs", "rest"),
        ("lifespan", None, "rest"),
    ],
    ids=["http", "websocket", "below", "rest", "lifespan"],
)
async def test_direct_route_takes_the_requests_of_its_path_only(kind: str, path: str | None, receiver: str) -> None:
    """All others reach the application behind it."""
    reached: list[str] = []

    def named(name: str) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reached.append(name)

        return app

    route = DirectRoute(named("rest"), Endpoints(named("http"), named("websocket")), "/graphql")
    await messages_of(route, {"type": kind} if path is None else {"type": kind, "path": path})
    assert reached == [receiver]


def test_framework_has_the_switch_of_telemetry() -> None:
    """All three kinds off make FastAPI ask for no provider at a request."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    native: Any = vars(app)["_native_telemetry"]
    assert native.enabled() is False


def test_variables_of_opentelemetry_do_not_turn_the_spans_of_the_framework_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With them no request takes the short path. A provider that is set for them, as by an agent, does turn them on."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert not telemetry_is_on()
    monkeypatch.setattr("server.app.get_tracer_provider", object)
    assert telemetry_is_on()
