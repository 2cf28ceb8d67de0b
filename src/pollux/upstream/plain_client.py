"""The HTTP client of our own: a pool of connections over asyncio's transports and the httptools parser.

This file finds or makes the connection for a request and writes the request's head; what happens on a connection stands in
`plain_connection`. A connection goes back to the pool at the last byte of an answer, also when its reader has not taken all of
it yet: those bytes are in the stream's hands.
"""

import asyncio
import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

from pollux.upstream.http import (
    CONNECTION_IDLE_SECONDS,
    DEFAULT_HEADERS,
    ConnectFailed,
    HttpFailed,
    HttpReply,
    HttpRequest,
    Proxies,
    TimedOut,
    Timeouts,
    basic_credentials,
    check,
    length_of,
    origin_name,
    os_reason,
    parts_of,
)
from pollux.upstream.plain_connection import Connection, Origin, Proxy, Stale, Stream

READ_BYTES: Final = 256 * 1024
"""How much one read may bring; as much as the event loop reads at once."""

ORIGINS_MAX: Final = 256
"""Origins whose parts are remembered; there is one upstream."""


_DEFAULT_LINES: Final = [(name.lower(), f"{name}: {value}\r\n") for name, value in DEFAULT_HEADERS.items()]


class PlainClient:
    """An `HttpClient`."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        body_bytes_max: int,
        proxy_from_environment: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        connections_idle_seconds: float = CONNECTION_IDLE_SECONDS,
    ) -> None:
        self.timeouts = timeouts
        self._body_bytes_max = body_bytes_max
        self._proxies = Proxies.from_environment() if proxy_from_environment else Proxies({})
        self._ssl_context = ssl_context
        self.idle_seconds = connections_idle_seconds
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._origins: dict[str, Origin] = {}
        self._idle: dict[Origin, list[Connection]] = {}
        self._all: set[Connection] = set()
        self._closed = False

    async def call(self, request: HttpRequest) -> HttpReply:
        """Send a request and give the whole answer, at most `body_bytes_max` large."""
        stream = await self.stream(request)
        return HttpReply(stream.status, stream.headers, await stream.read(self._body_bytes_max))

    async def stream(self, request: HttpRequest) -> Stream:
        """Send a request and return when the headers have arrived."""
        check(request)
        started = asyncio.get_running_loop().time()
        origin = self._origin(request.url)
        head = _head(request, origin)
        pooled = request.repeatable and parts_of(request.body) is not None
        if pooled:
            connection = self._reusable(origin)
            if connection is not None:
                try:
                    return await connection.exchange(request, head, started)
                except Stale:
                    pass
        connection = await self._connect(origin)
        return await connection.exchange(request, head, started, pooled=pooled)

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)

    def give_back(self, connection: Connection) -> None:
        """Take a connection whose answer was read to the end into the pool."""
        self._idle.setdefault(connection.origin, []).append(connection)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is gone."""
        self._all.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)

    def _origin(self, url: str) -> Origin:
        scheme_end = url.index("://") + 3
        slash = url.find("/", scheme_end)
        known = self._origins.get(url[:slash]) if slash > 0 else None
        if known is not None:
            return known
        end = min((at for mark in "/?#" if (at := url.find(mark, scheme_end)) >= 0), default=len(url))
        known = self._origins.get(url[:end])
        if known is None:
            if len(self._origins) >= ORIGINS_MAX:
                self._origins.clear()
            known = self._origins[url[:end]] = _parsed(url[:end], self._proxies)
        return known

    def _reusable(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        if self._closed:
            raise ConnectFailed(origin_name(origin.host, origin.port), "the client is closed")
        timeouts = self.timeouts
        failure: HttpFailed
        try:
            async with asyncio.timeout(min(timeouts.connect_seconds, timeouts.total_seconds)):
                return await self._dial(origin)
        except TimeoutError:
            if timeouts.total_seconds < timeouts.connect_seconds:
                failure = TimedOut("total", timeouts.total_seconds)
            else:
                failure = TimedOut("connect", timeouts.connect_seconds)
        except HttpFailed as error:
            failure = error
        except (OSError, UnicodeError) as error:
            failure = ConnectFailed(origin_name(origin.host, origin.port), os_reason(error))
        failure.__context__ = None
        raise failure

    async def _dial(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = origin.proxy
        host, port, secure = (
            (origin.host, origin.port, origin.secure) if proxy is None else (proxy.host, proxy.port, proxy.secure)
        )
        try:
            transport, connection = await loop.create_connection(
                lambda: self._connection(origin),
                host,
                port,
                ssl=self._tls() if secure else None,
                server_hostname=host if secure else None,
                ssl_handshake_timeout=self.timeouts.connect_seconds if secure else None,
            )
        except (OSError, UnicodeError) as error:
            if proxy is not None:
                raise ConnectFailed(origin_name(host, port), os_reason(error)) from None
            raise
        if proxy is not None and origin.secure:
            await connection.tunnel(proxy)
            secured = await loop.start_tls(
                transport,
                connection,
                self._tls(),
                server_hostname=origin.host,
                ssl_handshake_timeout=self.timeouts.connect_seconds,
            )
            assert secured is not None
            connection.connection_made(secured)
        return connection

    def _connection(self, origin: Origin) -> Connection:
        connection = Connection(self, origin)
        self._all.add(connection)
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


def _parsed(url: str, proxies: Proxies) -> Origin:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        port = parts.port
    except ValueError:
        raise ValueError("The port of the URL is not one.") from None
    host = parts.hostname or ""
    if not host:
        raise ValueError("The URL names no host.")
    port = (443 if secure else 80) if port is None else port
    proxy_url = proxies.find(parts.scheme, host, port)
    return Origin(parts.scheme, parts.netloc, host, port, secure, None if proxy_url is None else _proxy(proxy_url, host, port))


def _proxy(url: str, host: str, port: int) -> Proxy:
    parts = urlsplit(url)
    try:
        proxy_port = parts.port
    except ValueError:
        proxy_port = -1
    if parts.scheme not in {"http", "https"} or not parts.hostname or proxy_port == -1:
        raise ConnectFailed(origin_name(host, port), "the proxy in the environment is not an http or https URL")
    secure = parts.scheme == "https"
    credentials = basic_credentials(unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else ""
    return Proxy(parts.hostname, (443 if secure else 80) if proxy_port is None else proxy_port, secure, credentials)


def _head(request: HttpRequest, origin: Origin) -> bytes:
    """Write the request line and the headers."""
    start = len(origin.scheme) + 3 + len(origin.authority)
    target = request.url[start:].partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    names = {name.lower() for name in request.headers}
    lines = [] if "host" in names else [f"Host: {origin.authority}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    lines += [line for name, line in _DEFAULT_LINES if name not in names]
    if request.body is not None:
        length = length_of(request)
        lines.append("Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n")
        if "content-type" not in names:
            lines.append("Content-Type: application/octet-stream\r\n")
    elif request.method in {"POST", "PUT", "PATCH"}:
        lines.append("Content-Length: 0\r\n")
    if origin.proxy is not None and not origin.secure:
        target = f"{origin.scheme}://{origin.authority}{target}"
        if origin.proxy.credentials:
            lines.append(f"Proxy-Authorization: {origin.proxy.credentials}\r\n")
    return f"{request.method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("ascii")
