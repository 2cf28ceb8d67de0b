"""Which addresses of the internet a caller's URL may lead to: only those that anyone could reach.

Everything else is inside somebody's network: this machine's own services, its neighbours, the metadata of its cloud. The list
is of networks, so the question is about the address, however it was written or resolved. IPv6 is turned round: only global
unicast is open, and in it what carries an IPv4 address inside (6to4, Teredo) is closed too, since it would have to be judged
twice. Source: IANA, special-purpose address registries for IPv4 and IPv6, November 2026.
"""

import ipaddress
from typing import Final

CLOSED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; clouds keep metadata here too
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services: a public address that is inside every machine there
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)

OPEN_IPV6: Final = ipaddress.IPv6Network("2000::/3")
"""Global unicast. Outside of it are loopback, link-local, unique local, IPv4-mapped and -compatible addresses, NAT64."""


def is_open(address: str) -> bool:
    """Say whether an address, as a resolver or a socket gives it, is one of the open internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and (parsed not in OPEN_IPV6 or parsed.scope_id is not None):
        return False
    return not any(parsed in network for network in CLOSED if network.version == parsed.version)
