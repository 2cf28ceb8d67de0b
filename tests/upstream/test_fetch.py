"""Media behind callers' URLs: what is fetched, and what is never connected to."""

import asyncio
import gc
import logging
import os
import ssl
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pollux.errors import ApiError, InvalidRequest
from pollux.upstream import fetch
from pollux.upstream.fetch import Fetched, Fetcher, Limits, parse
from tests.upstream.peer import Wire, far_side

PATH = "messages[2].content[1].image_url"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
FORBIDDEN = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0",
    "192.0.0.192", "168.63.129.16", "198.18.0.1", "203.0.113.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
    "2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1",
]  # fmt: skip

_attempts: list[str] = []


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        _attempts.append(str(arguments[1][0]))


sys.addaudithook(_record)


@pytest.fixture
def attempts() -> Iterator[list[str]]:
    """Give every address that any socket of this process is connected to while the test runs."""
    _attempts.clear()
    yield _attempts
    gc.collect()


class Names:
    """A resolver: each look-up of a name gives the next of its answers, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): given for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such name")
        given = self.answers[host]
        return given.pop(0) if len(given) > 1 else given[0]


class Setting:
    """A fetcher for a test, and what it was shown."""

    def __init__(
        self, names: Names, *, internal: str = "", seconds: float = 20.0, bytes_max: int = 1_000_000, **more: Any
    ) -> None:
        self.fetcher = Fetcher(Limits(bytes_max, seconds), internal_hosts=internal.split(","), resolve=names, **more)
        self.seen: list[tuple[bytes, str]] = []
        self.held = 0

    async def fetch(self, url: str) -> Fetched:
        try:
            return await self.fetcher.fetch(url, PATH, lambda head, label: self.seen.append((head, label)), self.hold)
        finally:
            await self.fetcher.close()

    def hold(self, size: int) -> None:
        self.held += size


async def refusal(setting: Setting, url: str) -> tuple[int, str, str | None, str | None]:
    """Fetch, and give all that a caller sees of the error."""
    with pytest.raises(ApiError) as raised:
        await setting.fetch(url)
    return raised.value.status, raised.value.message, raised.value.param, raised.value.code


UNIFORM = (
    400,
    f"{PATH} could not be fetched. It must lead to a file that anyone on the internet can read.",
    PATH,
    "media_unreachable",
)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_inside_is_never_connected_to(address: str, attempts: list[str]) -> None:
    """Neither where it is the only address of a name, nor beside an open one, nor written into the URL itself."""
    literal = f"[{address}]" if ":" in address else address
    told = [
        await refusal(Setting(Names(evil_test=[[address]])), "http://evil.test/a.png"),
        await refusal(Setting(Names(evil_test=[["8.8.8.8", address]])), "https://evil.test/a.png"),
        await refusal(Setting(Names()), f"http://{literal}/latest/meta-data/"),
        await refusal(Setting(Names()), f"https://{literal}:443/"),
    ]

    assert told == [UNIFORM] * 4
    assert attempts == []


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_redirect_inside_is_not_followed(address: str, attempts: list[str]) -> None:
    """The first host is one that may be reached; where it leads is judged like a first URL."""
    literal = f"[{address}]" if ":" in address else address

    async def script(wire: Wire) -> None:
        asked = await wire.request()
        to = f"http://{literal}/" if "literal" in asked.line else "http://evil.test/"
        await wire.answer(status="302 Found", headers=f"Location: {to}\r\n")

    async with far_side(script) as peer:
        for path in ("literal", "name"):
            names = Names(media_test=[["127.0.0.1"]], evil_test=[[address]])
            setting = Setting(names, internal=f"media.test:{peer.port}")

            assert await refusal(setting, peer.url(f"/{path}", "media.test")) == UNIFORM
    assert attempts == ["127.0.0.1"] * 2, "the two connections to the first host, and no other"


async def test_a_name_that_turns_inside_after_its_first_answer_is_refused(attempts: list[str]) -> None:
    """A name is looked up once for each connection, and that answer is what is connected to; the next is judged anew."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(status="307 Temporary Redirect", headers="Location: http://turning.test/b\r\n")

    async with far_side(script) as peer:
        names = Names(media_test=[["127.0.0.1"]], turning_test=[["169.254.169.254"]])
        setting = Setting(names, internal=f"media.test:{peer.port}")

        assert await refusal(setting, peer.url("/a", "media.test")) == UNIFORM
    assert names.asked == ["media.test", "turning.test"]
    assert attempts == ["127.0.0.1"]


async def test_the_socket_itself_asks_again(attempts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the look-up let a closed address through, no socket is made for it."""
    original = fetch._resolver
    monkeypatch.setattr(fetch, "_resolver", lambda resolve, **_: original(resolve, any_address=True))

    assert await refusal(Setting(Names(evil_test=[["127.0.0.1"]])), "http://evil.test/") == UNIFORM
    assert attempts == []


async def test_whatever_fails_fails_with_the_same_words(attempts: list[str]) -> None:
    """No host, no port, no file, a closed address, a broken answer: the caller cannot tell them apart."""

    async def script(wire: Wire) -> None:
        match (await wire.request()).line.split()[1]:
            case "/missing":
                await wire.answer(status="404 Not Found")
            case "/forbidden":
                await wire.answer(status="403 Forbidden")
            case "/broken":
                await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            case "/nonsense":
                await wire.send(b"SSH-2.0-OpenSSH_9.9\r\n")
            case "/empty":
                await wire.answer(b"")
            case "/bomb":
                await wire.answer(b"\x1f\x8b" + bytes(100), headers="Content-Encoding: gzip\r\n")
            case "/loop":
                await wire.answer(status="302 Found", headers="Location: /loop\r\n")
            case "/nowhere":
                await wire.answer(status="302 Found")
            case "/file":
                await wire.answer(status="302 Found", headers="Location: file:///etc/passwd\r\n")
            case "/port":
                await wire.answer(status="302 Found", headers="Location: http://8.8.8.8:22/\r\n")
            case "/user":
                await wire.answer(status="302 Found", headers="Location: http://user:secret@8.8.8.8/\r\n")

    paths = ["missing", "forbidden", "broken", "nonsense", "empty", "bomb", "loop", "nowhere", "file", "port", "user"]
    async with far_side(script) as peer:
        closed_port = peer.port + 1 if peer.port < 65_535 else peer.port - 1
        names = Names(media_test=[["127.0.0.1"]])
        internal = f"media.test:{peer.port},media.test:{closed_port}"
        told = {path: await refusal(Setting(names, internal=internal), peer.url(f"/{path}", "media.test")) for path in paths}
        told["port"] = await refusal(Setting(names, internal=internal), f"http://media.test:{closed_port}/")
        told["name"] = await refusal(Setting(names), "https://nobody.test/")

    assert told == dict.fromkeys(told, UNIFORM)
    assert set(attempts) == {"127.0.0.1"}


async def test_a_slow_drip_ends_with_its_time() -> None:
    """The time is that of the whole fetch, so that a byte now and then does not stretch it."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin()
        while True:
            await wire.chunk(b"x")
            await asyncio.sleep(0.02)

    async with far_side(script) as peer:
        setting = Setting(Names(media_test=[["127.0.0.1"]]), internal=f"media.test:{peer.port}", seconds=0.3)

        assert await refusal(setting, peer.url("/", "media.test")) == UNIFORM


@pytest.mark.parametrize("says_so", [True, False])
async def test_what_is_too_large_is_cut_early(says_so: bool) -> None:
    """Before its body where it says how large it is, else when the limit is passed; what was held stays below it."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.begin("Content-Length: 100000000\r\n" if says_so else "Transfer-Encoding: chunked\r\n")
        while not says_so:
            await wire.chunk(bytes(65536))
            sent += 65536
        await wire.closed()

    async with far_side(script) as peer:
        setting = Setting(Names(media_test=[["127.0.0.1"]]), internal=f"media.test:{peer.port}", bytes_max=200_000)
        told = await refusal(setting, peer.url("/", "media.test"))

    assert told == (400, f"{PATH} is larger than 200000 bytes, which is the limit here.", PATH, "media_too_large")
    assert setting.held <= 200_000 * 4 // 3 + 4
    assert sent < 20_000_000, "what sockets hold, not what was offered"


async def test_a_file_comes_whole_and_nothing_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Across a redirect and in odd pieces; no proxy, no cookie, no credentials, no header of the caller's."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    data = PNG + os.urandom(300_001)

    async def script(wire: Wire) -> None:
        asked = await wire.request()
        if asked.line.startswith("GET /first"):
            headers = "Location: /second?signed=1#part\r\nSet-Cookie: a=b\r\n"
            await wire.answer(status="301 Moved Permanently", headers=headers)
            return
        await wire.begin("Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n")
        for at in range(0, len(data), 7001):
            await wire.chunk(data[at : at + 7001])
        await wire.chunk(b"")

    async with far_side(script) as peer:
        setting = Setting(Names(media_test=[["127.0.0.1"]]), internal=f"media.test:{peer.port}")
        fetched = await setting.fetch(peer.url("/first", "media.test"))

    assert b64decode(b"".join(fetched.pieces)) == data
    assert all(len(piece) % 4 == 0 for piece in fetched.pieces)
    assert (fetched.size, fetched.label, fetched.head) == (len(data), "image/png", data[: fetch.HEAD_BYTES])
    assert setting.seen == [(fetched.head, "image/png")]
    assert setting.held == sum(map(len, fetched.pieces))
    assert peer.asked[1].line == "GET /second?signed=1 HTTP/1.1"
    assert [sorted(asked.headers) for asked in peer.asked] == [
        ["accept", "accept-encoding", "connection", "host", "user-agent"]
    ] * 2


async def test_what_is_not_wanted_ends_the_fetch_at_its_first_bytes() -> None:
    """The look comes as soon as there is enough to see."""
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin("Content-Length: 900000\r\n")
        await wire.send(bytes(8000))
        await wire.closed()
        closed.set()

    def look(head: bytes, label: str) -> None:
        raise InvalidRequest("Not this.", param=PATH)

    async with far_side(script) as peer:
        setting = Setting(Names(media_test=[["127.0.0.1"]]), internal=f"media.test:{peer.port}")
        fetcher = setting.fetcher
        with pytest.raises(InvalidRequest, match="Not this"):
            await fetcher.fetch(peer.url("/", "media.test"), PATH, look, setting.hold)
        await asyncio.wait_for(closed.wait(), 20)
        await fetcher.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give an authority for the tests' certificates."""
    return trustme.CA()


async def secure(authority: trustme.CA, location: str) -> AsyncIterator[tuple[Any, ssl.SSLContext]]:
    """Run a far side over TLS that redirects."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("media.test").configure_cert(server)
    authority.configure_trust(client)

    async def script(wire: Wire) -> None:
        await wire.request()
        await (wire.answer(status="302 Found", headers=f"Location: {location}\r\n") if location else wire.answer(PNG))

    async with far_side(script, tls=server) as peer:
        yield peer, client


async def test_https_does_not_lead_back_to_http(authority: trustme.CA, attempts: list[str]) -> None:
    """Not even to a host that may be reached."""
    async for peer, context in secure(authority, "http://media.test/"):
        setting = Setting(Names(media_test=[["127.0.0.1"]]), internal=f"media.test:{peer.port},media.test", ssl_context=context)

        assert await refusal(setting, peer.url("/", "media.test")) == UNIFORM
    assert attempts == ["127.0.0.1"]


async def test_certificates_are_checked_for_the_name_in_the_url(authority: trustme.CA) -> None:
    """The address comes from the look-up, the name stays the URL's."""
    async for peer, context in secure(authority, ""):
        names = Names(media_test=[["127.0.0.1"]], other_test=[["127.0.0.1"]])
        internal = f"media.test:{peer.port},other.test:{peer.port}"
        fetched = await Setting(names, internal=internal, ssl_context=context).fetch(peer.url("/", "media.test"))

        assert fetched.size == len(PNG)
        assert await refusal(Setting(names, internal=internal, ssl_context=context), peer.url("/", "other.test")) == UNIFORM


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host.test/a",
        "file:///etc/passwd",
        "gopher://host.test/",
        "//host.test/a",
        "http:host.test",
        "http:///a",
        "https://user@host.test/a",
        "https://user:secret@host.test/a",
        "https://host.test@evil.test/",
        "https://host.test\\@evil.test/",
        "https://host.test\\.evil.test/",
        "https://host.test:22/a",
        "https://host.test:99999/",
        "https://host.test:0x50/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://127.1/",
        "https://1.2.3.4.5/",
        "https://[::1%25eth0]/",
        "https://[::1",
        "https://host .test/",
        "https://host.test/\r\nX-Header: 1",
        "https://host.test/\x00",
        "https://-host-.test/",
        "https://①②⑦.⓪.⓪.①:8080/",
        "",
    ],
)
async def test_a_url_that_is_never_fetched_says_so(url: str, attempts: list[str]) -> None:
    """The words are the same for every such URL, and nothing is looked up."""
    names = Names()
    status, message, param, code = await refusal(Setting(names), url)

    assert (status, param, code) == (400, PATH, "invalid_url")
    assert message.startswith(f"{PATH} is not an address that is fetched")
    assert (names.asked, attempts) == ([], [])


async def test_fetches_that_run_side_by_side_take_turns() -> None:
    """However many there are, one round of the event loop writes one piece: what others wait for is one piece long."""
    data = os.urandom(8 * fetch.PIECE_BYTES)
    rounds, written = 0, list[int]()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(data)

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with far_side(script) as peer:
        fetcher = Fetcher(
            Limits(1_000_000, 20.0), internal_hosts=[f"media.test:{peer.port}"], resolve=Names(media_test=[["127.0.0.1"]])
        )
        counting = asyncio.create_task(count())
        fetching = (
            fetcher.fetch(peer.url("/", "media.test"), PATH, lambda *_: None, lambda _size: written.append(rounds))
            for _ in range(8)
        )
        fetched = await asyncio.gather(*fetching)
        counting.cancel()
        await fetcher.close()

    assert [b64decode(b"".join(each.pieces)) for each in fetched] == [data] * 8
    assert len(set(written)) == len(written)


PIECES = [
    "http",
    "https",
    "://",
    ":",
    "/",
    "//",
    "\\",
    "@",
    "#",
    "?",
    "[",
    "]",
    ".",
    "a",
    "evil.test",
    "user",
    "127.0.0.1",
    "::1",
]
PIECES += [
    "443",
    "80",
    ":80",
    "%2e",
    "%40",
    "%00",
    "\t",
    " ",
    "é",
    "。",
    "①",
    "-",
    "_",
    "0x7f",
    "2130706433",
    "..",
    "&",
    "=",
    ";",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=30),
    st.sampled_from(["", "http://", "https://"]),
)
def test_other_readers_of_urls_read_the_same_host(url: str, beginning: str) -> None:
    """What is taken apart here leads to the same host and port for the standard library, and for the client that sends it."""
    url = beginning + url
    found = parse(url)
    if found is None:
        return
    standard, sent = urlsplit(url), URL(found.origin + found.target, encoded=True)
    host = (
        (standard.hostname or "").encode("idna").decode().lower().removesuffix(".") if not found.host.count(":") else found.host
    )

    assert (standard.scheme, host, standard.username) == (found.scheme, found.host, None)
    assert (standard.port or fetch.PORTS[standard.scheme]) == found.port
    assert (sent.scheme, sent.raw_host, sent.port, sent.user) == (found.scheme, found.host, found.port, None)
    assert found.target.startswith("/")
    assert found.target.isascii()
    assert not any(c.isspace() for c in found.target)


async def test_the_log_names_the_host_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Neither path nor query: a signed URL is a secret."""
    caplog.set_level(logging.DEBUG)
    await refusal(Setting(Names(evil_test=[["10.0.0.1"]])), "https://evil.test/private?signature=secret")

    assert "evil.test" in caplog.text
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


NAMESPACE = Path(__file__).with_name("fetch_in_a_namespace.py")


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine lets nobody make a network namespace",
)
def test_in_a_network_of_its_own_nobody_inside_hears_of_it() -> None:
    """With a server on every closed address that a namespace can have, on port 80, and a resolver that names them all."""
    ran = subprocess.run(
        ["unshare", "-rn", sys.executable, str(NAMESPACE)], capture_output=True, text=True, check=False, timeout=120
    )

    assert ran.stdout.splitlines()[-1:] == ["heard: only the one that was allowed by name"], ran.stdout + ran.stderr
