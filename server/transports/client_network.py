"""The network of a client, by which everything that needs no token is counted."""

import ipaddress

from starlette.requests import HTTPConnection


def client_network(connection: HTTPConnection) -> str:
    """Return the client's address; for IPv6 its /64 network, because one household has 2^64 addresses."""
    host = connection.client.host if connection.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
