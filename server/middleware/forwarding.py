"""Requests through a proxy: restores the client address, the scheme, and the path under which clients see the server.

Only a trusted proxy's `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Prefix` are used.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, cast

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.transports.header_values import values_of

# Links are made from the prefix, so it must be a plain path (RFC 3986, section 3.3, without escapes).
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,10}")
# The prefix length of IPv4 addresses in IPv6 notation, ::ffff:0:0/96 (RFC 4291, section 2.5.5.2).
_MAPPED_BITS: Final = 96
# Reading an address takes longer than the rest of this middleware.
_REMEMBERED_PEERS: Final = 1_024


def public_path(connection: HTTPConnection) -> str:
    """Return the path under which the client reaches the server, such as `/scenes`; empty at the root of its host."""
    return connection.scope.get("state", {}).get("public_path", "")


class Forwarding:
    """Gives a request the client address, scheme and path that it would have without a proxy.

    `public_path` is the path of PUBLIC_URL; if it has none, a trusted proxy may name one in X-Forwarded-Prefix. Proxies
    pass paths on with this prefix or without it. `own_segments` are the first segments of the server's own paths.
    """

    def __init__(
        self, app: ASGIApp, trusted_proxies: Iterable[str], public_path: str, own_segments: Collection[str]
    ) -> None:
        self._app = app
        self._trusted = [_plain_network(network) for network in trusted_proxies]
        self._public_path = public_path
        self._own_segments = own_segments
        self._peer = lru_cache(_REMEMBERED_PEERS)(self._parsed_peer)
        # The client is the rightmost address in X-Forwarded-For that is not a trusted proxy's.
        proxy_headers = ProxyHeadersMiddleware(cast("Any", app), [str(network) for network in self._trusted])
        self._app_behind_proxy = cast("ASGIApp", proxy_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct the scope, and pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        trusted = self._trusts_peer(scope)
        prefixes = [self._public_path, _forwarded_prefix(scope) if trusted else ""]
        scope.setdefault("state", {})["public_path"] = prefixes[0] or prefixes[1]
        scope["path"] = self._own_path(scope["path"], prefixes)
        if trusted:
            scope["headers"] = [_with_plain_addresses(name, value) for name, value in scope["headers"]]
        await (self._app_behind_proxy if trusted else self._app)(scope, receive, send)

    def _trusts_peer(self, scope: Scope) -> bool:
        """Return whether the peer is a trusted proxy; rewrite a mapped IPv4 address in the scope to dotted notation."""
        host, port = scope.get("client") or ("", 0)
        plain, is_trusted = self._peer(host)
        if plain != host:
            scope["client"] = (plain, port)
        return is_trusted

    def _parsed_peer(self, host: str) -> tuple[str, bool]:
        """Return the address of a peer in dotted notation if it is a mapped one, and whether it is a trusted proxy."""
        plain = _plain(host)
        try:
            address = ip_address(plain)
        except ValueError:
            return plain, False
        return plain, any(address in network for network in self._trusted)

    def _own_path(self, path: str, prefixes: Sequence[str]) -> str:
        """Return the path without a prefix, and without a slash at its end."""
        for prefix in filter(None, prefixes):
            if path == prefix or path.startswith(f"{prefix}/"):
                rest = path.removeprefix(prefix) or "/"
                # A path of the server itself may begin like the prefix: a proxy turns /api/api/v3 into /api/v3.
                if rest.split("/")[1] in self._own_segments:
                    path = rest
                    break
        ends_with_slash = path.endswith("/") and path != "/" and not path.startswith("/media/")
        return path[:-1] if ends_with_slash else path


def _forwarded_prefix(scope: Scope) -> str:
    values = values_of(scope, b"x-forwarded-prefix")
    prefix = values[0].rstrip("/") if len(values) == 1 else ""
    return prefix if _PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/")) else ""


def _with_plain_addresses(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return the header; in X-Forwarded-For, mapped IPv4 addresses are rewritten to dotted notation."""
    if name != b"x-forwarded-for":
        return name, value
    return name, ", ".join(_plain_entry(entry.strip()) for entry in value.decode("latin-1").split(",")).encode(
        "latin-1"
    )


def _plain_entry(entry: str) -> str:
    """Return an entry of X-Forwarded-For, a mapped IPv4 address in dotted notation.

    An entry is an address, or an IPv6 address in brackets and a port.
    """
    host = entry[1:].partition("]")[0] if entry.startswith("[") else entry
    plain = _plain(host)
    return entry if plain == host else plain


def _plain(host: str) -> str:
    """Return a mapped IPv4 address in dotted notation, ::ffff:192.0.2.1 as 192.0.2.1, and any other host unchanged.

    A listener for both protocols reports its IPv4 clients by mapped addresses.
    """
    try:
        mapped = getattr(ip_address(host), "ipv4_mapped", None)
    except ValueError:
        return host
    return host if mapped is None else str(mapped)


def _plain_network(value: str) -> IPv4Network | IPv6Network:
    network = ip_network(value)
    if isinstance(network, IPv4Network) or network.prefixlen < _MAPPED_BITS:
        return network
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None else IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
