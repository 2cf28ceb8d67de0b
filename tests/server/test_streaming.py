"""Streams: the sequence of chunks, when the status is sent, errors early and late, silence, leaving callers, slow readers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.server.asking import CHAT, KEY, MESSAGES, MODEL, SECONDS, Pollux, Stream, Told, chat, pollux
from tests.server.fake import Conversation, FakeUpstream, answering, error_reply, plainly, text_reply

LEFT_SECONDS = 1.0
"""Within this time the upstream connection of a caller that left is closed. Issue 2."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _forget(upstream: FakeUpstream) -> None:
    upstream.reset()


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream) -> Iterator[Pollux]:
    """A server that waits long before it commits."""
    with pollux(upstream) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(upstream: FakeUpstream) -> Iterator[Pollux]:
    """A server that commits, and says that it is alive, after a tenth of a second."""
    with pollux(upstream, commit_seconds=0.1, keep_alive_seconds=0.1, silence_seconds=5, first_byte_seconds=5) as running:
        yield running


def three_events(conversation: Conversation) -> None:
    """Stream three events, usage growing."""
    conversation.start()
    conversation.send(text_reply("One", finish=None, candidates=1))
    conversation.send(text_reply(", two", finish=None, candidates=2))
    conversation.send(text_reply(", three.", candidates=4))
    conversation.end()


@pytest.mark.parametrize("path", [CHAT, "/v1beta/openai/chat/completions", "/v1beta/chat/completions"])
def test_the_chunks_follow_openais_sequence(server: Pollux, upstream: FakeUpstream, path: str) -> None:
    """One role delta first, one id and time, one finish reason, then `[DONE]`; every line is one JSON object."""
    upstream.then(three_events)
    with Stream(server.url, path=path) as stream:
        told = stream.whole()
    chunks = told.messages
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]

    assert told.status == 200
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["cache-control"] == "no-cache"
    assert told.lines == [b"data: " + data for data in told.data]
    assert b"".join(told.sends).endswith(b"\n\n")
    assert told.data[-1] == b"[DONE]"
    assert told.data.count(b"[DONE]") == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {MODEL}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert len({chunk["created"] for chunk in chunks}) == 1
    assert abs(chunks[0]["created"] - time.time()) < 60
    assert [index for index, delta in enumerate(deltas) if "role" in delta] == [0]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [reason for reason in reasons if reason] == ["stop"]
    assert reasons[-1] == "stop"
    assert told.text == "One, two, three."
    assert [choice["index"] for chunk in chunks for choice in chunk["choices"]] == [0] * len(deltas)


def test_without_being_asked_there_is_no_usage(server: Pollux) -> None:
    """Neither on chunks nor as a chunk of its own."""
    with Stream(server.url) as stream:
        told = stream.whole()

    assert not [chunk for chunk in told.messages if chunk.get("usage")]
    assert all(chunk["choices"] for chunk in told.messages)


@pytest.mark.parametrize("path", [CHAT, "/v1beta/openai/chat/completions"])
def test_usage_that_is_asked_for_comes_last_and_alone(server: Pollux, upstream: FakeUpstream, path: str) -> None:
    """Null on every chunk, then one chunk without choices and with the totals."""
    upstream.then(three_events)
    with Stream(server.url, path=path, stream_options={"include_usage": True}) as stream:
        *chunks, last = stream.whole().messages

    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert all(chunk["choices"] for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"] == 7


def test_on_the_bare_path_every_chunk_has_a_usage_object(server: Pollux, upstream: FakeUpstream) -> None:
    """The guide's sample reads it there: zero until the last chunk, which has the totals, so that a sum is right too."""
    upstream.then(three_events)
    with Stream(server.url, path="/v1beta/chat/completions", stream_options={"include_usage": True}) as stream:
        chunks = stream.whole().messages
    totals = [chunk["usage"]["total_tokens"] for chunk in chunks]

    assert totals == [0] * (len(chunks) - 1) + [7]
    assert chunks[-1]["choices"] == []


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (400, "INVALID_ARGUMENT", "invalid_value"),
        (404, "NOT_FOUND", "not_found"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit_exceeded"),
        (500, "INTERNAL", "server_error"),
        (503, "UNAVAILABLE", "overloaded"),
    ],
)
def test_an_error_before_the_first_byte_keeps_its_status(
    server: Pollux, upstream: FakeUpstream, status: int, word: str, code: str
) -> None:
    """So the official clients repeat what they would repeat without a stream."""
    upstream.then(answering(status, error_reply(status, "That is why.", word)))
    with Stream(server.url) as stream:
        told = stream.whole()
    error = msgspec.json.decode(told.sends[0])["error"]

    assert told.status == status
    assert told.headers["content-type"] == "application/json"
    assert error["message"] == "That is why."
    assert error["code"] == code


def test_an_error_in_mid_stream_is_one_message_and_the_end(server: Pollux, upstream: FakeUpstream) -> None:
    """What came before is delivered; no `[DONE]` and no finish reason make a success of it."""

    def fail(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("Hal", finish=None))
        conversation.send(error_reply(503, "The model is overloaded.", "UNAVAILABLE"))
        conversation.end()

    upstream.then(fail)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert told.status == 200
    assert told.text == "Hal"
    assert told.error["code"] == "overloaded"
    assert told.error["message"] == "The model is overloaded."
    assert told.data[-1].startswith(b'{"error":')
    assert not any(choice["finish_reason"] for message in told.messages for choice in message.get("choices", []))


def test_a_raw_error_after_events_is_an_error_too(server: Pollux, upstream: FakeUpstream) -> None:
    """The service breaks off with bare JSON over several lines."""

    def fail(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("Hal", finish=None))
        conversation.piece(msgspec.json.format(msgspec.json.encode(error_reply(429, "Too much.", "RESOURCE_EXHAUSTED"))))
        conversation.end()

    upstream.then(fail)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert told.error["code"] == "rate_limit_exceeded"
    assert told.error["message"] == "Too much."


def ended_early(conversation: Conversation) -> None:
    """End properly, but without a finish reason."""
    conversation.start()
    conversation.send(text_reply("Hal", finish=None))
    conversation.end()


def cut_off(conversation: Conversation) -> None:
    """Break the connection after an event."""
    conversation.start()
    conversation.send(text_reply("Hal", finish=None))
    time.sleep(0.1)
    conversation.cut()


def closed_off(conversation: Conversation) -> None:
    """Close the connection in the middle of an event."""
    conversation.start()
    conversation.send(text_reply("Hal", finish=None))
    conversation.raw(b'50\r\ndata: {"candidates": [{"cont')


def malformed(conversation: Conversation) -> None:
    """Send an event that is no JSON."""
    conversation.start()
    conversation.send(text_reply("Hal", finish=None))
    conversation.piece(b'data: {"candidates": [{]}\r\n\r\n')
    conversation.send(text_reply("lo."))
    conversation.end()


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (ended_early, "upstream_incomplete"),
        (cut_off, "upstream_broken"),
        (closed_off, "upstream_broken"),
        (malformed, "upstream_malformed"),
    ],
)
def test_a_stream_that_breaks_is_an_error_and_no_silent_success(
    server: Pollux, upstream: FakeUpstream, steps: Callable[[Conversation], None], code: str
) -> None:
    """Half an answer is delivered and told to be half."""
    upstream.then(steps)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert told.text == "Hal"
    assert told.error["code"] == code
    assert told.error["type"] == "server_error"


def test_an_empty_stream_is_an_error(server: Pollux, upstream: FakeUpstream) -> None:
    """Good headers and nothing after them are no answer."""

    def nothing(conversation: Conversation) -> None:
        conversation.start()
        conversation.end()

    upstream.then(nothing)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert told.error["code"] == "upstream_incomplete"


def test_the_status_waits_for_the_upstreams(server: Pollux, upstream: FakeUpstream) -> None:
    """It comes with the upstream's headers, before there is any text."""
    gate = threading.Event()

    def slow(conversation: Conversation) -> None:
        conversation.start()
        assert gate.wait(SECONDS)
        conversation.send(text_reply("Hello."))
        conversation.end()

    upstream.then(slow)
    with Stream(server.url) as stream:
        status, _ = stream.head()
        gate.set()
        sends = list(stream.sends())

    assert status == 200
    assert sends[-1].endswith(b"data: [DONE]\n\n")


def test_silence_is_committed_with_a_comment_and_kept_alive(hasty: Pollux, upstream: FakeUpstream) -> None:
    """Status and a comment after `commit_seconds`, more comments after `keep_alive_seconds` each, then the answer."""

    thought = threading.Event()

    def think(conversation: Conversation) -> None:
        assert thought.wait(SECONDS)
        plainly(conversation)

    upstream.then(think)
    with Stream(hasty.url) as stream:
        status, headers = stream.head()
        sends = stream.sends()
        comments = [next(sends) for _ in range(3)]
        thought.set()
        rest = b"".join(sends)

    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert all(data.startswith(b": ") and data.endswith(b"\n\n") and data.count(b"\n") == 2 for data in comments)
    assert b'"Hello"' in rest
    assert rest.endswith(b"data: [DONE]\n\n")


def test_silence_in_mid_stream_is_kept_alive(hasty: Pollux, upstream: FakeUpstream) -> None:
    """Comments stand between whole events, never inside one."""

    rested = threading.Event()

    def pause(conversation: Conversation) -> None:
        conversation.start()
        conversation.piece(b"data: " + msgspec.json.encode(text_reply("Hel", finish=None)) + b"\r\n\r\ndata: {")
        assert rested.wait(SECONDS)
        conversation.piece(msgspec.json.encode(text_reply("lo."))[1:] + b"\r\n\r\n")
        conversation.end()

    upstream.then(pause)
    with Stream(hasty.url) as stream:
        status, headers = stream.head()
        sends = stream.sends()
        before = [next(sends) for _ in range(3)]
        rested.set()
        told = Told(status, headers, [*before, *sends])

    assert told.text == "Hello."
    assert len([line for line in told.lines if line.startswith(b":")]) >= 2
    assert all(line.startswith((b": ", b"data: ")) for line in told.lines)


def test_a_stream_that_flows_has_no_comments(upstream: FakeUpstream) -> None:
    """Longer than the time of a keep-alive, but never silent for it."""

    def flow(conversation: Conversation) -> None:
        conversation.start()
        for _ in range(30):
            conversation.send(text_reply("x", finish=None))
            time.sleep(0.05)
        conversation.send(text_reply("."))
        conversation.end()

    upstream.then(flow)
    with pollux(upstream, commit_seconds=1, keep_alive_seconds=1) as server, Stream(server.url) as stream:
        told = stream.whole()

    assert told.text == "x" * 30 + "."
    assert not [line for line in told.lines if line.startswith(b":")]


def test_an_error_after_commitment_goes_into_the_stream(hasty: Pollux, upstream: FakeUpstream) -> None:
    """The status is gone; the meaning is not."""

    committed = threading.Event()

    def refuse_late(conversation: Conversation) -> None:
        assert committed.wait(SECONDS)
        conversation.answer(429, error_reply(429, "Too much.", "RESOURCE_EXHAUSTED"))

    upstream.then(refuse_late)
    with Stream(hasty.url) as stream:
        status, headers = stream.head()
        committed.set()
        told = Told(status, headers, list(stream.sends()))

    assert told.status == 200
    assert told.lines[0].startswith(b":")
    assert told.error["code"] == "rate_limit_exceeded"
    assert len(told.messages) == 1


def test_a_silent_upstream_ends_in_an_error(upstream: FakeUpstream) -> None:
    """Silence has a limit before the first byte and inside the answer; the caller is told, and the upstream is left."""
    left: list[float | None] = []

    def never(conversation: Conversation) -> None:
        left.append(conversation.left_within())

    def stall(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("Hal", finish=None))
        left.append(conversation.left_within())

    with pollux(upstream, first_byte_seconds=0.3, silence_seconds=0.3) as server:
        upstream.then(never)
        whole, early = chat(server.url), chat(server.url, stream=True)
        upstream.then(stall)
        with Stream(server.url) as stream:
            told = stream.whole()
        _wait_for(left, 3)

    assert (whole.status, early.status) == (504, 504)
    assert whole.error["code"] == early.error["code"] == told.error["code"] == "upstream_timeout"
    assert None not in left


def test_what_one_read_brought_goes_out_in_one_send(server: Pollux, upstream: FakeUpstream) -> None:
    """Five events in one packet of the upstream: one packet to the caller."""
    gates = [threading.Event(), threading.Event()]

    def burst(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(*(text_reply(f"{number} ", finish=None) for number in range(5)))
        assert gates[0].wait(SECONDS)
        conversation.send(text_reply("5 ", finish=None), text_reply("6."))
        assert gates[1].wait(SECONDS)
        conversation.end()

    upstream.then(burst)
    with Stream(server.url) as stream:
        stream.head()
        sends = stream.sends()
        first = next(sends)
        gates[0].set()
        second = next(sends)
        gates[1].set()
        rest = b"".join(sends)

    assert [first.count(b'"%d "' % number) for number in range(5)] == [1] * 5
    assert b'"5 "' in second
    assert b'"6."' in second
    assert rest.endswith(b"[DONE]\n\n")


def test_events_in_any_split_arrive_the_same(server: Pollux, upstream: FakeUpstream) -> None:
    """Byte by byte, with a letter of three bytes cut in its middle."""
    data = b"data: " + msgspec.json.encode(text_reply("สวัสดี", finish=None)) + b"\r\n\r\n"

    def crumbs(conversation: Conversation) -> None:
        conversation.start()
        for at in range(len(data)):
            conversation.piece(data[at : at + 1])
        conversation.send(text_reply("."))
        conversation.end()

    upstream.then(crumbs)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert told.text == "สวัสดี."


def _wait_for(what: list[Any], count: int) -> None:
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if len(what) >= count:
            return
        pause.wait(0.01)
    raise AssertionError("the upstream saw nothing")


@pytest.mark.parametrize("when", ["waiting, whole", "waiting, streamed", "waiting, committed", "mid-stream"])
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_caller_that_leaves_ends_the_upstreams_work(
    server: Pollux, hasty: Pollux, upstream: FakeUpstream, when: str, how: str
) -> None:
    """Within a second the upstream connection is closed; the place is free, and nothing is logged as an error."""
    left: list[float | None] = []

    def hang(conversation: Conversation) -> None:
        if when == "mid-stream":
            conversation.start()
            conversation.send(text_reply("Hal", finish=None))
        left.append(conversation.left_within())

    upstream.then(hang)
    target = hasty if when == "waiting, committed" else server
    with Stream(target.url, stream=when != "waiting, whole") as stream:
        upstream.wait_for(1)
        if when in {"mid-stream", "waiting, committed"}:
            stream.head()
            next(stream.sends())
        else:
            time.sleep(0.05)
        if how == "resets":
            stream.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        gone = time.monotonic()
        stream.leave()
        _wait_for(left, 1)
        took = time.monotonic() - gone

    assert left[0] is not None
    assert took < LEFT_SECONDS + 1
    assert target.app.in_flight.total == 0


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}", "/v1/models/gemini-2.5-flash"])
def test_a_caller_that_leaves_a_list_ends_it_too(server: Pollux, upstream: FakeUpstream, path: str) -> None:
    """The models routes, and the look at the list for an alias, are watched like completions."""
    left: list[float | None] = []

    def hang(conversation: Conversation) -> None:
        left.append(conversation.left_within())

    upstream.then(hang)
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        key = f"{KEY}-of-one-without-a-list"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        upstream.wait_for(1)
    gone = time.monotonic()
    _wait_for(left, 1)

    assert left[0] is not None
    assert time.monotonic() - gone < LEFT_SECONDS + 1


def test_a_caller_that_leaves_in_the_middle_of_a_flood_ends_it(server: Pollux, upstream: FakeUpstream) -> None:
    """The same while events keep coming: the upstream is not read to its end for nobody."""
    left: list[float] = []

    def flood(conversation: Conversation) -> None:
        conversation.start()
        began = time.monotonic()
        try:
            while time.monotonic() - began < SECONDS:
                conversation.send(text_reply("flood ", finish=None))
                time.sleep(0.002)
        except OSError:
            left.append(time.monotonic())

    upstream.then(flood)
    with Stream(server.url) as stream:
        stream.head()
        next(stream.sends())
        gone = time.monotonic()
        stream.leave()
        _wait_for(left, 1)

    assert left[0] - gone < LEFT_SECONDS + 1


def test_a_caller_that_has_said_all_but_still_listens_is_served(server: Pollux, upstream: FakeUpstream) -> None:
    """A kept connection is used for the next request, whole and streamed in turn."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        statuses = []
        for streamed in (False, True, True, False):
            body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES, "stream": streamed})
            connection.sendall(
                f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            received = b""
            while not received.endswith(b"0\r\n\r\n" if streamed else b"}"):
                piece = connection.recv(65536)
                assert piece
                received += piece
            statuses.append(received[:12])

    assert statuses == [b"HTTP/1.1 200"] * 4


def test_a_slow_reader_slows_the_upstream(server: Pollux, upstream: FakeUpstream) -> None:
    """Nothing is read from the caller's side: the server stops reading too, after the buffers between are full."""
    taken: list[int] = []
    enough = threading.Event()

    def pour(conversation: Conversation) -> None:
        conversation.start()
        event = b"data: " + msgspec.json.encode(text_reply("x" * 50_000, finish=None)) + b"\r\n\r\n"
        frame = b"%x\r\n%b\r\n" % (len(event), event)
        total, still, rest = 0, 0, b""
        while still < 40 and total < 200_000_000:
            rest = rest or frame
            try:
                sent = conversation.write_some(rest)
            except BlockingIOError:
                sent = 0
            total, rest = total + sent, rest[sent:]
            still = 0 if sent else still + 1
            if not sent:
                time.sleep(0.02)
        taken.append(total)
        enough.wait(SECONDS)

    upstream.then(pour)
    with Stream(server.url) as stream:
        stream.head()
        _wait_for(taken, 1)
        alive = chat_elsewhere(server, upstream)
        enough.set()

    assert taken[0] < 60_000_000
    assert alive == 200


def chat_elsewhere(server: Pollux, upstream: FakeUpstream) -> int:
    """Ask for another completion while one is stuck."""
    upstream.then(plainly)
    return chat(server.url).status
