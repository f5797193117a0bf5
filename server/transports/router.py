"""The routes of all transports of one schema, at one path."""

from collections.abc import Mapping
from typing import NamedTuple

import strawberry
from fastapi import APIRouter
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from server.transports.connections.registry import Connections
from server.transports.connections.slots import ConnectionSlots
from server.transports.documents.compiled import CompiledOperations
from server.transports.documents.document_limiter import DocumentLimiter
from server.transports.documents.persisted import PersistedDocuments
from server.transports.execution import Executor
from server.transports.http.endpoint import Explorer, HTTPEndpoint
from server.transports.http.kept_answers import GetContextAtOnce, KeptAnswers
from server.transports.limits import TransportLimits
from server.transports.observation.port import NoObserver, Observer
from server.transports.operation_context import GetContext
from server.transports.rate_limiter import NoRateLimits, RateLimiter
from server.transports.shared.streams import SharedStreams, SharedSubscriptions
from server.transports.short_path.kept_heads import Renewal
from server.transports.short_path.kept_queries import KeptQueries
from server.transports.websocket.endpoint import WebSocketEndpoint
from server.transports.websocket.on_init import OnInit


class Endpoints(NamedTuple):
    """The ASGI applications of one schema: for HTTP with server-sent events, and for websockets."""

    http: ASGIApp
    websocket: ASGIApp


def graphql_endpoints(
    schema: strawberry.Schema,
    *,
    context: GetContext,
    on_init: OnInit | None = None,
    connections: Connections | None = None,
    document_limiter: DocumentLimiter | None = None,
    rate_limiter: RateLimiter | None = None,
    limits: TransportLimits | None = None,
    documents: PersistedDocuments | None = None,
    get_queries: bool = True,
    explorer: Explorer | None = None,
    shared: SharedSubscriptions | None = None,
    compiled: CompiledOperations | None = None,
    renewal: Renewal | None = None,
    context_at_once: GetContextAtOnce | None = None,
    observer: Observer | None = None,
) -> Endpoints:
    """Return the applications that answer GraphQL over HTTP, server-sent events and websocket.

    `context` is called for each operation, on every transport; `context_at_once` does the same without waiting, and
    without it kept answers are sent by a task. The caller passes `connections` to close websockets and streams later.
    Without `document_limiter` and `rate_limiter` nothing but `limits` applies. Without `documents` every request sends
    its document. `explorer` makes the page for a browser that requests HTML without a query. Without `shared` each
    subscription is executed for its subscriber alone. Without `compiled` graphql-core makes every answer. Without
    `renewal` every request passes all middleware, also one with a known head. `observer` follows all operations.
    """
    chosen, rates = limits or TransportLimits(), rate_limiter or NoRateLimits()
    streams = shared and SharedStreams(schema, context, rates, shared, compiled, observer)
    executor = Executor(
        schema,
        context,
        chosen,
        document_limiter,
        rates,
        documents or PersistedDocuments(),
        streams,
        compiled,
        KeptQueries(chosen.kept_query_bytes),
        observer or NoObserver(),
    )
    registry = Connections() if connections is None else connections  # an empty registry is falsy
    slots = ConnectionSlots(executor.rate_limiter)
    kept = None
    if compiled is not None and compiled.has_answers_at_once and context_at_once is not None:
        kept = KeptAnswers(executor, context_at_once)
    http = HTTPEndpoint(
        executor, registry, slots, get_queries=get_queries, explorer=explorer, renewal=renewal, kept_answers=kept
    )
    websocket = WebSocketEndpoint(executor, registry, slots, on_init)
    return Endpoints(http, websocket)


def graphql_router(endpoints: Endpoints, path: str = "/graphql") -> APIRouter:
    """Return a router with the routes of these endpoints."""
    http, websocket = endpoints
    return APIRouter(routes=[Route(path, http, include_in_schema=False), WebSocketRoute(path, websocket)])


class DirectRoute:
    """Middleware that passes the requests of one path to its endpoints, and all others on.

    For small requests, the frameworks' routing and their handlers of exceptions, which these endpoints do not need,
    would take as long as everything else around the execution.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, path: str) -> None:
        self._app = app
        self._by_type: Mapping[str, ASGIApp] = endpoints._asdict()
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        app = self._by_type.get(scope["type"]) if scope.get("path") == self._path else None
        await (app or self._app)(scope, receive, send)
