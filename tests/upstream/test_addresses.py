"""Addresses of the open internet, and all others."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.upstream.addresses import CLOSED, OPEN_IPV6, is_open

ipv4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)

EMBEDDED = ("::ffff:0:0", "::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:ffff::")
"""Beginnings of IPv6 addresses whose last 32 bits are an IPv4 address: mapped, compatible, translated, NAT64."""


@st.composite
def closed(draw: st.DrawFn) -> str:
    """Draw an address of a closed network."""
    network = draw(st.sampled_from(CLOSED))
    return str(network[draw(st.integers(0, network.num_addresses - 1))])


@given(closed())
def test_no_address_of_a_closed_network_is_open(address: str) -> None:
    """Wherever in its network it lies."""
    assert not is_open(address)


@given(ipv4, st.sampled_from(EMBEDDED))
def test_no_ipv4_address_inside_an_ipv6_one_is_open(address: ipaddress.IPv4Address, prefix: str) -> None:
    """Mapped, compatible, by NAT64: closed, whatever the IPv4 address is, and however the whole is written."""
    whole = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + int(address))

    assert not is_open(str(whole))
    assert not is_open(whole.exploded)
    assert not is_open(f"{prefix}{address}" if prefix.endswith("::") else f"::ffff:{address}")


@given(ipv4)
def test_no_ipv4_address_inside_6to4_is_open(address: ipaddress.IPv4Address) -> None:
    """6to4 has it in its first half."""
    assert not is_open(str(ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80 | 1)))


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_an_ipv6_address_outside_global_unicast_is_not_open(address: ipaddress.IPv6Address) -> None:
    """Loopback, link-local, unique local, multicast, and what is given to nobody yet."""
    assert address in OPEN_IPV6 or not is_open(str(address))


@given(ipv4 | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_what_is_open_is_global_for_the_standard_library_too(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Nothing that Python knows as private, reserved or multicast is open here."""
    assert not is_open(str(address)) or (address.is_global and not address.is_multicast and not address.is_reserved)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "::1",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_the_addresses_that_attackers_ask_for_are_closed(address: str) -> None:
    """Metadata of the clouds, this machine, and odd spellings."""
    assert not is_open(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "142.250.1.1", "100.63.255.255", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_open(address: str) -> None:
    """The rest of the internet."""
    assert is_open(address)
