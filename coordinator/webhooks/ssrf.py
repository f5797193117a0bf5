"""Which network addresses may be called on a user's behalf: those that are public on the internet.

Source: the IANA registries of special-purpose addresses (RFC 6890), and the metadata addresses of clouds.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' (RFC 6598); Alibaba's metadata is here
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata, though it looks public
        "169.254.0.0/16",  # link-local; most clouds' metadata is here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# Outside of it are loopback, private (fc00::/7, with Amazon's metadata), link-local, multicast, IPv4-mapped and NAT64.
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments; Teredo, which embeds an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112, name servers for private addresses
        "3fff::/20",  # documentation
    )
]


def is_public(address: Address) -> bool:
    """Return whether an address is public. One that embeds an IPv4 address is not: it may lead anywhere."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)
