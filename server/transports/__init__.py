"""GraphQL over HTTP, server-sent events and websocket, for any Strawberry schema."""

from server.transports.closing import CloseCode, CloseConnection
from server.transports.connections import Connections
from server.transports.document_limiter import DocumentLimiter, DocumentLimits
from server.transports.limits import TransportLimits
from server.transports.logs import hide_query_strings
from server.transports.rate_limiter import RateLimiter, TooManyRequests
from server.transports.router import graphql_router
from server.transports.uvicorn_protocols import uvicorn_options

__all__ = [
    "CloseCode",
    "CloseConnection",
    "Connections",
    "DocumentLimiter",
    "DocumentLimits",
    "RateLimiter",
    "TooManyRequests",
    "TransportLimits",
    "graphql_router",
    "hide_query_strings",
    "uvicorn_options",
]
