"""The addresses of a server."""

import ssl as tls
from typing import NamedTuple
from urllib.parse import urlsplit


class Address(NamedTuple):
    """The endpoint of GraphQL over HTTP and over websocket. `tls` is None for plain HTTP."""

    http: str
    websocket: str
    tls: tls.SSLContext | None


def address_of(url: str, context: tls.SSLContext | None) -> Address:
    """Return the addresses of the server at `url`, such as https://example.com/scenewire.

    Raises ValueError for a text that is no http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not the URL of a server, such as http://127.0.0.1:4000")
    path = parts.path.rstrip("/").removesuffix("/graphql") + "/graphql"
    secure = parts.scheme == "https"
    http = parts._replace(path=path, query="", fragment="").geturl()
    websocket = f"ws{http.removeprefix('http')}"
    return Address(http, websocket, (context or tls.create_default_context()) if secure else None)
