"""Run alone in a network namespace: a web server on closed addresses, and a fetcher that is told to go to each of them.

Loopback is the only device. Every closed address of IPv4 and IPv6 becomes its own (an "any-IP" local route), so that a
connection to any of them would really arrive.
"""

import asyncio
import ctypes
import socket
import struct
import sys

from pollux.errors import ApiError
from pollux.upstream.fetch import Fetcher, Limits

NETWORKS = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "168.63.129.16/32"]
NETWORKS_IPV6 = ["fc00::/7", "64:ff9b::/96", "2002::/16", "2001:db8::/32"]
CLOSED = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
]  # fmt: skip


def main() -> None:
    """Set the network up, try, and say who heard of it."""
    up()
    for network in NETWORKS:
        route(socket.AF_INET, network)
    for network in NETWORKS_IPV6:
        route(socket.AF_INET6, network)
    asyncio.run(tried())


def up() -> None:
    """Bring the loopback device up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(request, 40)
        if libc.ioctl(control.fileno(), 0x8914, buffer) != 0:  # SIOCSIFFLAGS
            raise OSError(ctypes.get_errno(), "the loopback device stays down")


def route(family: int, network: str) -> None:
    """Make a whole network local, over netlink."""
    address, _, bits = network.partition("/")
    destination = socket.inet_pton(family, address)
    attributes = struct.pack("HH", 4 + len(destination), 1) + destination  # RTA_DST
    attributes += struct.pack("HHI", 8, 4, socket.if_nametoindex("lo"))  # RTA_OIF
    body = (
        struct.pack("BBBBBBBBI", family, int(bits), 0, 0, 255, 2, 254, 2, 0) + attributes
    )  # table local, scope host, type local
    header = struct.pack("IHHII", 16 + len(body), 24, 0x1 | 0x4 | 0x400, 1, 0)  # RTM_NEWROUTE, request, ack, create
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(header + body)
        error = struct.unpack_from("i", netlink.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"no local route for {network}")


async def tried() -> None:
    """Serve, fetch, and print what was heard."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
        writer.close()

    everywhere = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    server = await asyncio.start_server(serve, sock=everywhere)
    for address in CLOSED:  # the network works: each of them would be heard
        reader, writer = await asyncio.open_connection(address, 80)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"secret" in await reader.read()
        writer.close()
    assert len(heard) == len(CLOSED)
    heard.clear()
    for address in CLOSED:
        literal = f"[{address}]" if ":" in address else address
        for url in ("http://evil.test/", f"http://{literal}/"):
            assert not await fetched(url, [address])
            assert not await fetched(url, ["8.8.8.8", address])
    assert heard == [], heard
    assert await fetched("http://allowed.test/", ["10.0.0.1"], internal="allowed.test")
    assert heard == ["::ffff:10.0.0.1"], heard
    sys.stdout.write("heard: only the one that was allowed by name\n")
    server.close()


async def fetched(url: str, addresses: list[str], internal: str = "") -> bool:
    """Say whether a fetch brought anything."""

    async def resolve(host: str, port: int) -> list[str]:
        return addresses

    fetcher = Fetcher(Limits(1000, 10.0), internal_hosts=[internal], resolve=resolve)
    try:
        return (await fetcher.fetch(url, "a", _nothing, _nothing)).size == 6
    except ApiError:
        return False
    finally:
        await fetcher.close()


def _nothing(*_seen: object) -> None:
    """Look at nothing, hold nothing."""


if __name__ == "__main__":
    main()
