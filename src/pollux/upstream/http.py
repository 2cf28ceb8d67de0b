"""HTTP as the rest of Pollux sees it: one call, one stream, four ways to fail. Knows HTTP, knows no Gemini.

A client sends what it is given and gives back what came: no redirect is followed, no cookie kept, no body decoded (it asks for
`identity`), no status judged. Two things it decides itself:

- **A second try.** A kept-alive connection may be closed by the peer in the very moment in which it is used again. When a
  *reused* connection ends without a single byte of answer, and at once, the request is sent once more, on a new connection;
  nothing else is ever repeated. A request that is not `repeatable` gets a new connection from the start, so that this cannot
  happen to it.
- **Time.** An exchange has four limits (`Timeouts`). They end it, and its connection, whoever waits for it.

A connection goes back to the pool only when its answer was read to the end. In every other case (closed by the caller,
cancelled, failed) it is cut at once, so that the peer stops working for nobody.
"""

import os
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from pollux.upstream.aiohttp_client import AiohttpClient

__all__ = [
    "AiohttpClient",
    "Body",
    "ConnectFailed",
    "ConnectionBroken",
    "HttpClient",
    "HttpFailed",
    "HttpReply",
    "HttpRequest",
    "HttpStream",
    "Parts",
    "Proxies",
    "TimedOut",
    "Timeouts",
    "TooLarge",
]

CONNECTION_IDLE_SECONDS: Final = 50.0
"""Shorter than the minute after which common front ends close: then most connections end on our side, without a race."""

NAME_SECONDS: Final = 60
"""How long a looked-up address is used before the name is looked up again."""

STALE_SECONDS: Final = 1.0
"""A dead connection shows within a round trip. One that ends later may have ended over our request: it may have cost money."""

HEADER_LINE_BYTES_MAX: Final = 16 * 1024
"""The longest status or header line of an answer; twice what common servers send at most."""

HEADERS_MAX: Final = 128
"""The most headers of an answer."""

DEFAULT_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "pollux"}
"""Sent where the request does not name them. Besides these a client adds Host, Content-Length and Content-Type only."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the phases of one exchange may take, in seconds."""

    connect_seconds: float = 10.0
    """Name look-up, TCP, proxy and TLS together."""
    first_byte_seconds: float = 600.0
    """From the request sent to the headers of the answer."""
    silence_seconds: float = 300.0
    """Between two reads of a body, and without progress while a request is being sent. A reader that pauses is not silence."""
    total_seconds: float = 3600.0
    """From the start to the last byte of the answer, whatever happens in between."""


Parts = tuple[bytes | memoryview, ...]
"""A body that is here in parts, which go out one after the other and are not joined for that."""

Body = bytes | bytearray | Parts
"""A request's body that is here."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. Names and values of headers are printable ASCII."""

    method: str
    url: str
    """Absolute, http or https, ASCII with everything else percent-encoded, sent as it stands; never holds a key."""
    headers: Mapping[str, str]
    body: Body | AsyncIterable[bytes] | None = None
    """A body that comes in pieces is read once, as fast as the peer takes it; such a request is never sent a second time.

    What it raises ends the exchange with ConnectionBroken; whoever gave it knows why.
    """
    content_length: int | None = None
    """Bytes of a body that comes in pieces; None: not known, so it goes out chunked. A body that is here has its own length."""
    repeatable: bool = True
    """False: never sent a second time, whatever happened (videos, batches)."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer, of any status."""

    status: int
    headers: Mapping[str, str]
    """Names are found in any case."""
    body: bytes


class HttpStream(Protocol):
    """An answer whose status and headers are there and whose body comes in reads. Whoever got it closes it."""

    status: int
    headers: Mapping[str, str]

    def reads(self) -> AsyncIterator[bytes]:
        """Give the body, one item for what one network read brought, never empty; one reader at a time.

        Raises TimedOut or ConnectionBroken, after everything that had arrived was given. Cancelled, it closes the connection.
        """
        ...

    async def read(self, limit_bytes: int) -> bytes:
        """Give the rest of the body, whole. Raises like `reads`, and TooLarge past the limit; then the connection is closed."""
        ...

    async def close(self) -> None:
        """Close the connection at once when the body is not at its end; may be called at any time, and again."""
        ...


class HttpClient(Protocol):
    """A pool of connections. Both calls raise ValueError for a request that cannot be sent (its URL, a header)."""

    async def call(self, request: HttpRequest) -> HttpReply:
        """Send a request and give the whole answer. Raises ConnectFailed, TimedOut, ConnectionBroken or TooLarge."""
        ...

    async def stream(self, request: HttpRequest) -> HttpStream:
        """Send a request and return when the headers have arrived. Raises ConnectFailed, TimedOut or ConnectionBroken."""
        ...

    async def close(self) -> None:
        """Close every connection, those in use too: their readers get ConnectionBroken."""
        ...


class HttpFailed(Exception):
    """An exchange that brought no whole answer. Its sentence names no key, no header and no path."""


class ConnectFailed(HttpFailed):
    """No connection came about, so nothing was sent: name look-up, refused, TLS, proxy."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"Could not connect to {host}: {reason}.")
        self.host = host
        self.reason = reason


class TimedOut(HttpFailed):
    """A phase of the exchange took longer than it may."""

    def __init__(self, phase: Literal["connect", "first_byte", "silence", "total"], seconds: float) -> None:
        super().__init__(f"{_PHASES[phase]} within {seconds:g} seconds.")
        self.phase = phase
        self.seconds = seconds


class ConnectionBroken(HttpFailed):
    """The peer closed or reset the connection, cut the body, or sent what is not HTTP."""

    def __init__(self, received_bytes: int) -> None:
        super().__init__(
            f"The connection broke after {received_bytes} bytes of the answer."
            if received_bytes
            else "The connection was closed before any byte of an answer."
        )
        self.received_bytes = received_bytes
        """What had arrived of the answer, its head and framing included; 0: nothing at all."""


class TooLarge(HttpFailed):
    """The body of an answer is larger than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer is larger than {limit} bytes.")
        self.limit = limit


_PHASES: Final = {
    "connect": "No connection was made",
    "first_byte": "The answer did not begin",
    "silence": "Nothing moved on the connection",
    "total": "The exchange did not end",
}


def parts_of(body: Body | AsyncIterable[bytes] | None) -> tuple[bytes | bytearray | memoryview, ...] | None:
    """Give the parts of a body that is here, or of none; None for one that comes in pieces."""
    match body:
        case None:
            return ()
        case bytes() | bytearray():
            return (body,)
        case tuple():
            return body
    return None


def length_of(request: HttpRequest) -> int | None:
    """Give the length of a body; None where it is not known."""
    parts = parts_of(request.body)
    return request.content_length if parts is None else sum(map(len, parts))


def check(request: HttpRequest) -> None:
    """Raise ValueError, without naming a value, unless the request can be sent as it stands."""
    if not _SENDABLE_URL.fullmatch(request.url):
        raise ValueError("The URL is not an absolute http or https URL in plain ASCII without a user name.")
    headers = request.headers
    together = "".join([*headers, *headers.values()])
    if together.isascii() and together.isprintable():
        return
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and name.isascii() and name.isprintable()):
            raise ValueError(f"The header {name!a} holds a line break or something else that is not printable ASCII.")


def origin_name(host: str | None, port: int | None) -> str:
    """Name an origin in an error."""
    return f"[{host}]:{port}" if host and ":" in host else f"{host}:{port}"


def os_reason(error: Exception) -> str:
    """Say in a few words what the system or TLS said."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate was not accepted ({error.verify_message or 'it does not fit'})"
        case ssl.SSLError():
            return f"TLS failed ({(error.reason or 'closed by the peer').replace('_', ' ').lower()})"
        case socket.gaierror() | UnicodeError():
            return "its name was not found"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ConnectionError():
            return "the connection was closed while it was set up"
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()
    return "it cannot be reached"


def basic_credentials(user: str, password: str) -> str:
    """Write a user name and a password as Basic credentials."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


# Printable ASCII without spaces; the authority, up to the first of "/?#", without "@".
_SENDABLE_URL: Final = re.compile(r"https?://[!-\"$-.0->A-~]+(?:[/?#][!-~]*)?")


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxy leads to which origin."""

    by_scheme: Mapping[str, str]
    """From `http` and `https`, the scheme of the origin, to the proxy's URL."""
    direct: tuple[str, ...] = ()
    """What is reached without: hosts, domains with all below them, either with a port, networks like 10.0.0.0/8, or `*`."""
    _known: dict[tuple[str, str, int], str | None] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Proxies":
        """Read HTTP_PROXY, HTTPS_PROXY and NO_PROXY; the small spelling wins.

        In a CGI process HTTP_PROXY is a header of the caller and is not believed.
        """
        look = os.environ.get
        http = look("http_proxy") or ("" if "REQUEST_METHOD" in os.environ else look("HTTP_PROXY"))
        https = look("https_proxy") or look("HTTPS_PROXY")
        direct = look("no_proxy") or look("NO_PROXY") or ""
        return cls(
            {scheme: url if "://" in url else f"http://{url}" for scheme, url in (("http", http), ("https", https)) if url},
            tuple(entry.strip().lower() for entry in direct.split(",") if entry.strip()),
        )

    def find(self, scheme: str, host: str, port: int) -> str | None:
        """Give the URL of the proxy for an origin, with its user name and password if it has them, or None."""
        if not self.by_scheme:
            return None
        origin = (scheme, host, port)
        if origin not in self._known:
            if len(self._known) >= _ORIGINS_MAX:
                self._known.clear()
            is_direct = any(_covers(entry, host.lower(), port) for entry in self.direct)
            self._known[origin] = None if is_direct else self.by_scheme.get(scheme)
        return self._known[origin]


def _covers(entry: str, host: str, port: int) -> bool:
    """Say whether an entry of NO_PROXY means this host."""
    if entry == "*":
        return True
    if ":" in host or host.replace(".", "").isdecimal():  # an address
        import ipaddress  # late: few origins are addresses

        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:  # the entry is no network
            pass
        return entry in {f"{host}:{port}", f"[{host}]:{port}"}
    domain = entry.removesuffix(f":{port}").removeprefix("*").removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


_ORIGINS_MAX: Final = 1000
"""Media come from any host: what is known of them must not grow without end."""


def __getattr__(name: str) -> object:
    """Load the client over aiohttp when it is named: the import costs some 160 ms, and not every command sends something."""
    if name == "AiohttpClient":
        from pollux.upstream import aiohttp_client

        return aiohttp_client.AiohttpClient
    raise AttributeError(name)
