"""The options of uvicorn that enforce the limits below ASGI, with subclasses of its two protocol classes."""

import asyncio
from typing import TypedDict

from server.transports.limits import TransportLimits
from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from server.transports.protocols.read_turns import ReadTurns
from server.transports.protocols.request_deadline import RequestDeadline
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from server.transports.short_path.kept_heads import KeptHeads


class UvicornOptions(TypedDict):
    http: type[asyncio.Protocol]
    ws: type[asyncio.Protocol]
    ws_max_size: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool
    proxy_headers: bool
    timeout_keep_alive: int


def uvicorn_options(limits: TransportLimits | None = None) -> UvicornOptions:
    """Return the arguments of `uvicorn.Config` that enforce the limits below ASGI.

    Compression is off: it costs memory and time per socket, and a small message could expand to a large one.
    `proxy_headers` is off because uvicorn trusts every proxy on this host; the application decides which it trusts.
    """
    chosen = limits or TransportLimits()
    all_turns = ReadTurns()
    without_head: dict[RequestDeadline, None] = {}

    kept_heads = KeptHeads(chosen.kept_head_bytes)

    class Http(KeptHeadProtocol):
        limits = chosen
        half_open = without_head
        heads = kept_heads

    class Socket(WebSocketProtocol):
        limits = chosen
        turns = all_turns

    return UvicornOptions(
        http=Http,
        ws=Socket,
        ws_max_size=chosen.message_bytes,
        ws_ping_interval=chosen.keep_alive_seconds,
        ws_ping_timeout=chosen.dead_after_seconds - chosen.keep_alive_seconds,
        ws_per_message_deflate=False,
        proxy_headers=False,
        timeout_keep_alive=chosen.idle_seconds,
    )
