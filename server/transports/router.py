"""All transports of one schema, at one address."""

import strawberry
from fastapi import APIRouter
from starlette.routing import Route, WebSocketRoute

from server.transports.connections import Connections
from server.transports.document_limiter import DocumentLimiter
from server.transports.execution import Executor, GetContext
from server.transports.http import Explorer, HTTPEndpoint
from server.transports.limits import TransportLimits
from server.transports.rate_limiter import OpenGate, RateLimiter
from server.transports.websocket import OnInit, WebSocketEndpoint


def graphql_router(
    schema: strawberry.Schema,
    *,
    context: GetContext,
    on_init: OnInit | None = None,
    connections: Connections | None = None,
    document_limiter: DocumentLimiter | None = None,
    rate_limiter: RateLimiter | None = None,
    limits: TransportLimits | None = None,
    get_queries: bool = True,
    explorer: Explorer | None = None,
    path: str = "/graphql",
) -> APIRouter:
    """HTTP, server-sent events and websocket at `path`.

    `context` is called for each operation, on every transport. `connections` is the caller's to keep when it wants to
    close sockets and streams. `guard` measures documents and `gate` counts; without them nobody does.
    `explorer` answers a browser that asks for HTML without a query.
    """
    executor = Executor(schema, context, limits or TransportLimits(), document_limiter, rate_limiter or OpenGate())
    registry = Connections() if connections is None else connections  # an empty one is falsy
    http = HTTPEndpoint(executor, registry, get_queries=get_queries, explorer=explorer)
    websocket = WebSocketEndpoint(executor, registry, on_init)
    return APIRouter(routes=[Route(path, http, include_in_schema=False), WebSocketRoute(path, websocket)])
