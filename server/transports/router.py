"""The routes of all transports of one schema, at one path."""

import strawberry
from fastapi import APIRouter
from starlette.routing import Route, WebSocketRoute

from server.transports.connection_slots import ConnectionSlots
from server.transports.connections import Connections
from server.transports.document_limiter import DocumentLimiter
from server.transports.execution import Executor, GetContext
from server.transports.http import Explorer, HTTPEndpoint
from server.transports.limits import TransportLimits
from server.transports.persisted import PersistedDocuments
from server.transports.rate_limiter import NoRateLimits, RateLimiter
from server.transports.websocket import OnInit
from server.transports.websocket_endpoint import WebSocketEndpoint


def graphql_router(
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
    path: str = "/graphql",
) -> APIRouter:
    """Return a router for GraphQL over HTTP, server-sent events and websocket at `path`.

    `context` is called for each operation, on every transport. The caller passes `connections` to close websockets and
    streams later. Without `document_limiter` and `rate_limiter` nothing but `limits` applies. Without `documents` every
    request sends its document. `explorer` makes the page for a browser that requests HTML without a query.
    """
    executor = Executor(
        schema,
        context,
        limits or TransportLimits(),
        document_limiter,
        rate_limiter or NoRateLimits(),
        documents or PersistedDocuments(),
    )
    registry = Connections() if connections is None else connections  # an empty registry is falsy
    slots = ConnectionSlots(executor.rate_limiter)
    http = HTTPEndpoint(executor, registry, slots, get_queries=get_queries, explorer=explorer)
    websocket = WebSocketEndpoint(executor, registry, slots, on_init)
    return APIRouter(routes=[Route(path, http, include_in_schema=False), WebSocketRoute(path, websocket)])
