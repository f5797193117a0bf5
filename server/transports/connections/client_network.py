"""The network of a client, by which everything that needs no token is counted."""

import ipaddress
from functools import lru_cache

from starlette.requests import HTTPConnection


def client_network(connection: HTTPConnection) -> str:
    """Return the client's address; for IPv6 its /64 network, because one household has 2^64 addresses."""
    client = connection.scope.get("client")
    return _network_of(client[0] if client else "")


@lru_cache(1_024)
def _network_of(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
