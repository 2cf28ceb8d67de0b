"""The emulator over a real port: it really streams, notices who leaves, and stops."""

import asyncio
import http.client
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.serving import run
from tests.emulator.in_process import KEY, PATH, STREAM, say


@contextmanager
def connection(url: str) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    opened = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        yield opened
    finally:
        opened.close()


def post(opened: http.client.HTTPConnection, target: str, body: Any, **headers: str) -> http.client.HTTPResponse:
    given = {"x-goog-api-key": KEY, "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    opened.request("POST", target, msgspec.json.encode(body), given)
    return opened.getresponse()


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_events_arrive_one_by_one() -> None:
    """The first is here while the second is still being waited for."""
    with EmulatorServer() as server, connection(server.url) as opened:
        reply = post(opened, STREAM, say("write 100 words"), x_emulator_fault="stall-after=1; stall-for=0.3")
        began = time.monotonic()
        first = reply.readline()
        first_after = time.monotonic() - began
        rest = reply.read()
        rest_after = time.monotonic() - began

    assert first.startswith(b"data: {")
    assert first_after < 0.25 < rest_after
    assert rest.count(b"data: ") > 2


def test_a_client_that_leaves_is_noticed_within_a_second() -> None:
    """The journal says so, and the stream is over."""
    with EmulatorServer() as server:
        with connection(server.url) as opened:
            reply = post(opened, STREAM, say("write 100 words"), x_emulator_fault="stall-after=1")
            reply.readline()
            assert not server.emulator.journal.entries()[0]["finished"]
            reply.close()
        wait_for(lambda: server.emulator.journal.entries()[0]["client_closed_early"], 1.0)
        entry = server.emulator.journal.entries()[0]

    assert entry["finished"]
    assert entry["events"] == 1


def test_a_client_that_leaves_before_the_headers_is_noticed() -> None:
    """No status was sent then."""
    with EmulatorServer() as server:
        with connection(server.url) as opened:
            body = msgspec.json.encode(say())
            opened.request("POST", PATH, body, {"x-goog-api-key": KEY, "x-emulator-fault": "headers-delay=30"})
            wait_for(server.emulator.journal.entries)
        wait_for(lambda: server.emulator.journal.entries()[0]["client_closed_early"], 1.0)
        entry = server.emulator.journal.entries()[0]

    assert entry["status"] is None
    assert entry["finished"]


def test_a_cut_is_a_connection_that_ends_too_early() -> None:
    """The client sees what came before, then a broken transfer."""
    with EmulatorServer() as server, connection(server.url) as opened:
        reply = post(opened, STREAM, say("write 100 words"), x_emulator_fault="cut-after=2")
        with pytest.raises(http.client.IncompleteRead) as caught:
            reply.read()

    assert caught.value.partial.count(b"data: ") == 2


def test_a_wanted_cut_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """And the log of another server in this process is left alone."""
    level = logging.getLogger("uvicorn.error").level
    with EmulatorServer() as server, connection(server.url) as opened:
        with pytest.raises(http.client.IncompleteRead):
            post(opened, STREAM, say(), x_emulator_fault="cut-after=1").read()
        logging.getLogger("uvicorn.error").error("of another server")

    assert caplog.messages == ["of another server"]
    assert logging.getLogger("uvicorn.error").level == level


def test_connections_are_kept_alive() -> None:
    """Answers, errors and streams leave the connection usable."""
    with EmulatorServer() as server, connection(server.url) as opened:
        statuses = []
        for target, body in ((PATH, say()), (PATH, {}), (STREAM, say()), ("/v1/nothing", {}), (PATH, say())):
            reply = post(opened, target, body)
            statuses.append(reply.status)
            reply.read()
        sockets = {entry["headers"]["host"] for entry in server.emulator.journal.entries()}

    assert statuses == [200, 400, 200, 404, 200]
    assert len(sockets) == 1


def test_a_server_starts_twice_and_frees_its_port() -> None:
    """Stopped means that nobody listens; streams that stall are cut."""
    server = EmulatorServer(Emulator())
    first = server.start()
    with connection(first) as opened:
        reply = post(opened, STREAM, say(), x_emulator_fault="stall-after=1")
        reply.readline()
        server.stop()
    parts = urlsplit(first)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2)
    again = EmulatorServer(server.emulator, port=parts.port or 0).__enter__()
    try:
        assert again.url == first
    finally:
        again.stop()


def test_a_port_in_use_is_told_at_once() -> None:
    """By the error of the system, not by a server that never starts."""
    with EmulatorServer() as server, pytest.raises(OSError, match="in use"):
        EmulatorServer(port=urlsplit(server.url).port or 0).start()


async def test_it_runs_in_the_foreground_until_it_is_ended() -> None:
    """`on_ready` gets the base URL once the port answers."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run("127.0.0.1", 0, Emulator(), ready.set_result))
    parts = urlsplit(await asyncio.wait_for(ready, 10))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /__emulator/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"emulator": "pollux"' in answer


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender has so long for the whole body, not for each byte."""
    monkeypatch.setattr("pollux.emulator.exchange.BODY_SECONDS_MAX", 0.2)
    with EmulatorServer() as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as opened:
            opened.sendall(
                f"POST {PATH} HTTP/1.1\r\nhost: a\r\nx-goog-api-key: {KEY}\r\ncontent-length: 100\r\n\r\n{{".encode()
            )
            answer = opened.recv(100)

    assert answer.startswith(b"HTTP/1.1 504")
