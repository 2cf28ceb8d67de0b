"""Media behind callers' URLs, fetched with suspicion: whoever writes the URL may want to see what only this server sees.

    URL        http or https, ports 80 and 443, no user name; taken apart once, and what was judged is what is used
    name       looked up once; if any of its addresses is not of the open internet, none is used
    socket     made only for an address that is open: asked again in the place where the connection is made
    redirect   the same from the start, five times, never from https to http
    answer     a status of 200, no encoding, so many bytes in so many seconds from the first look-up to the last byte

No proxy is used, whatever the environment says: a proxy would look the name up again, and connect to what it likes. Nothing of
the caller's or the server's goes along: no key, no cookie, no header but what kind of client asks.

Whatever fails on the way fails with the same words: who asks does not learn whether there is a host, a port, or a file. Only
what an open host itself answered (too much, or of the wrong kind) is told. aiohttp parses and pools nothing here; see the
decision note on fetching.
"""

import asyncio
import logging
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin

from pollux.errors import ApiError, InvalidRequest, Unsupported
from pollux.upstream.addresses import is_open

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

log = logging.getLogger("pollux.upstream")

REDIRECTS_MAX: Final = 5
"""Some hosts of pictures need two or three."""

AT_ONCE: Final = 32
"""Fetches that run at the same time in one worker; others wait. One that is slow has its time limit."""

PIECE_BYTES: Final = 49_152
"""How much is written as base64 at once, a multiple of three: some 40 µs, between which other requests have their turn."""

HEAD_BYTES: Final = 4096
"""How much must be there for the first look at what it is."""

PORTS: Final = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a name. Raises OSError."""

Look = Callable[[bytes, str], None]
"""Is shown the first bytes and the declared media type; raises ApiError for what is not wanted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one fetch may bring, and how long it may take."""

    bytes_max: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL led to: its declared media type, its first bytes, all of it in base64, and how many bytes it has."""

    label: str
    head: bytes
    pieces: tuple[bytes, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Url:
    """A URL taken apart; `host` is a name in ASCII, an IPv4 address, or an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, percent-encoded."""

    @property
    def origin(self) -> str:
        """Name scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class Unfetchable(Exception):
    """A fetch that brought nothing; the reason is for the server's log alone, and names no more than the host."""


class Fetcher:
    """Fetches what callers' URLs lead to. `internal_hosts` are names, perhaps with a port, that may be anywhere."""

    def __init__(
        self,
        limits: Limits,
        *,
        user_agent: str = "pollux",
        internal_hosts: Iterable[str] = (),
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._user_agent = user_agent
        self._internal = frozenset(host.strip().lower() for host in internal_hosts if host.strip())
        self._resolve = resolve or _resolve
        self._ssl_context = ssl_context
        self._places = asyncio.Semaphore(AT_ONCE)
        self._turn = asyncio.Lock()
        self._sessions: dict[bool, ClientSession] = {}

    async def fetch(self, url: str, path: str, look: Look, hold: Callable[[int], None]) -> Fetched:
        """Fetch what a URL leads to. Raises ApiError: `path` is the URL's place in the caller's body.

        `hold` is told of every byte that is kept; it may refuse.
        """
        target = self.parsed(url, path)
        try:
            async with self._places, asyncio.timeout(self._limits.seconds):
                return await self._follow(target, path, look, hold)
        except (OSError, Unfetchable) as error:  # a timeout is an OSError
            log.info("Media of %s could not be fetched: %s", target.host, _reason(error))
            raise unreachable(path) from None

    def parsed(self, url: str, path: str) -> Url:
        """Take a URL apart. Raises Unsupported for one that is never fetched, whatever it leads to."""
        found = parse(url)
        if found is None or not (found.port in PORTS.values() or self._is_internal(found)):
            raise Unsupported(
                f"{path} is not an address that is fetched: give https://host/path, without a user name, on port 80 or 443.",
                param=path,
                code="invalid_url",
            )
        return found

    async def close(self) -> None:
        """Close what is open."""
        for session in self._sessions.values():
            await session.close()

    async def _follow(self, url: Url, path: str, look: Look, hold: Callable[[int], None]) -> Fetched:
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._get(url)
            try:
                if response.status not in _REDIRECTS:
                    return await self._read(response, path, look, hold)
                url = self._redirected(url, response.headers.get("location", ""))
            finally:
                response.close()
        raise Unfetchable("too many redirects")

    def _redirected(self, url: Url, location: str) -> Url:
        found = parse(urljoin(url.origin + url.target, location)) if location else None
        if found is None or not (found.port in PORTS.values() or self._is_internal(found)):
            raise Unfetchable("a redirect to what is not fetched")
        if url.scheme == "https" and found.scheme == "http":
            raise Unfetchable("a redirect from https to http")
        return found

    async def _get(self, url: Url) -> "ClientResponse":
        import aiohttp
        from yarl import URL

        address = URL(url.origin + url.target, encoded=True)
        if (address.raw_host, address.port, address.user) != (url.host, url.port, None):
            raise Unfetchable("two readings of one URL")
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            return await self._session(internal=self._is_internal(url)).get(address, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, ValueError) as error:
            raise Unfetchable(type(error).__name__) from None

    async def _read(self, response: "ClientResponse", path: str, look: Look, hold: Callable[[int], None]) -> Fetched:
        import aiohttp

        if response.status != 200 or response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unfetchable(f"status {response.status}, or an encoding")
        if (response.content_length or 0) > self._limits.bytes_max:
            raise self._too_large(path)
        label = response.headers.get("content-type", "")[:200]
        waiting, size, looked = bytearray(), 0, False
        head = b""
        pieces: list[bytes] = []
        try:
            async for data in response.content.iter_any():
                size += len(data)
                if size > self._limits.bytes_max:
                    raise self._too_large(path)
                waiting += data
                if not looked and size >= HEAD_BYTES:
                    head, looked = bytes(waiting[:HEAD_BYTES]), True
                    look(head, label)
                while len(waiting) >= PIECE_BYTES:
                    pieces.append(await self._encoded(waiting[:PIECE_BYTES], hold))
                    del waiting[:PIECE_BYTES]
        except aiohttp.ClientError as error:
            raise Unfetchable(type(error).__name__) from None
        if not size:
            raise Unfetchable("nothing in it")
        if not looked:
            head = bytes(waiting)
            look(head, label)
        pieces.append(await self._encoded(waiting, hold))
        return Fetched(label, head, tuple(pieces), size)

    async def _encoded(self, data: bytearray, hold: Callable[[int], None]) -> bytes:
        """Write base64 when it is this fetch's turn: one piece in a round of the event loop, however many fetches run."""
        async with self._turn:
            await asyncio.sleep(0)
            piece = b64encode(data)
        hold(len(piece))
        return piece

    def _too_large(self, path: str) -> ApiError:
        return InvalidRequest(
            f"{path} is larger than {self._limits.bytes_max} bytes, which is the limit here.",
            param=path,
            code="media_too_large",
        )

    def _is_internal(self, url: Url) -> bool:
        host = url.host.lower()
        return f"{host}:{url.port}" in self._internal or (host in self._internal and url.port in PORTS.values())

    def _session(self, *, internal: bool) -> "ClientSession":
        """Give the session for open or for named internal hosts; nothing is kept between two fetches."""
        if internal not in self._sessions:
            import aiohttp  # late: its import costs some 160 ms

            connector = aiohttp.TCPConnector(
                resolver=_resolver(self._resolve, any_address=internal),
                use_dns_cache=False,
                force_close=True,
                limit=AT_ONCE,
                ssl=self._ssl_context or True,
                socket_factory=_any_socket if internal else _open_socket,
            )
            self._sessions[internal] = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._limits.seconds),
                max_line_size=8190,
                max_field_size=8190,
            )
        return self._sessions[internal]


_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def unreachable(path: str) -> InvalidRequest:
    """Make the error of a URL that brought nothing, for whatever reason."""
    return InvalidRequest(
        f"{path} could not be fetched. It must lead to a file that anyone on the internet can read.",
        param=path,
        code="media_unreachable",
    )


_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\@]*)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?", re.IGNORECASE
)
_AUTHORITY: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]{2,45})\]|(?P<name>[^\[\]:]{1,253}))(?::(?P<port>\d{1,5}))?", re.IGNORECASE
)
_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}")
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE: Final = "%/?:@!$&'()*+,;=-._~[]"


def parse(url: str) -> Url | None:
    """Take an absolute http or https URL apart; None for one that is none, or that two readers might read differently."""
    if _UNFIT.search(url):
        return None
    found = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(found["authority"]) if found else None
    if found is None or authority is None:
        return None
    host = _host(authority["ipv6"], authority["name"])
    scheme = found["scheme"].lower()
    port = int(authority["port"] or PORTS[scheme])
    if host is None or not 0 < port < 65_536:
        return None
    return Url(scheme, host, port, quote((found["path"] or "/") + (found["query"] or ""), safe=_SAFE))


def _host(ipv6: str | None, name: str | None) -> str | None:
    """Write a host in one way. Addresses in odd forms (0x7f.1, 2130706433), which some resolvers take, are none."""
    try:
        if ipv6 is not None:
            return str(IPv6Address(ipv6))
        host = (name or "").encode("idna").decode("ascii").lower().removesuffix(".")
    except (ValueError, UnicodeError):
        return None
    if _LOOKS_LIKE_A_NUMBER.fullmatch(host):
        return host if _IPV4.fullmatch(host) else None
    return host if _NAME.fullmatch(host) else None


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in found]


def _resolver(resolve: Resolve, *, any_address: bool) -> Any:
    """Make aiohttp's resolver: of a name with one address that is closed, none is used."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's interface; both are looked up
        ) -> list[ResolveResult]:
            addresses = await resolve(host, port)
            if not addresses or not (any_address or all(map(is_open, addresses))):
                raise OSError("an address that is not of the open internet")
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            pass

    return Resolver()


def _open_socket(info: Any) -> socket.socket:
    """Make the socket for a connection, and only to an open address: the last place before it is made, for every way here."""
    if not is_open(info[4][0]):
        raise OSError("an address that is not of the open internet")
    return _any_socket(info)


def _any_socket(info: Any) -> socket.socket:
    family, kind, protocol, _, _ = info
    return socket.socket(family=family, type=kind, proto=protocol)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Unfetchable) else type(error).__name__
