"""Bad input: each gets a clear answer that names the field, costs bounded memory and time, and the server keeps serving."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.server.asking import CHAT, KEY, MESSAGES, MODEL, SECONDS, Answer, Pollux, ask, chat, pollux
from tests.server.fake import FakeUpstream

START = b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"hi"}]'
SETTINGS_BYTES_MAX = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream that must see nothing of bad input."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream) -> Iterator[Pollux]:
    """One server for all of it: what breaks it for one breaks it for the next."""
    with pollux(upstream) as running:
        yield running


@pytest.fixture(autouse=True)
def _keeps_serving(server: Pollux, upstream: FakeUpstream) -> Iterator[None]:
    upstream.reset()
    yield
    assert chat(server.url).status == 200
    assert server.app.in_flight.total == 0


def send(server: Pollux, body: bytes) -> Answer:
    """Send a body as it is."""
    return ask(server.url, CHAT, body=body)


def parsed(upstream: FakeUpstream) -> Any:
    """Give what the upstream got as its first text."""
    [request] = upstream.requests
    return request.json["contents"][0]["parts"][0]["text"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b'"',
        b"nothing",
        b"{'model': 'x'}",
        b"{model: 1}",
        START,
        START + b"} // said",
        START + b"}}",
        START + b",,}",
        START + b'"temperature":1}',
        START + b',"temperature":NaN}',
        START + b',"temperature":Infinity}',
        START + b',"temperature":01}',
        START + b',"temperature":+1}',
        START + b',"temperature":.5}',
        START + b',"temperature":True}',
        START + b',"temperature":None}',
        START + b',"temperature":0x1}',
        START + b',"user":"a\tb"}',
        START + b',"user":"a\x00b"}',
        START + b',"user":"a\\\nb"}',
        START + b',"user":"\\x41"}',
        START + b",/* said */}",
        b"\xef\xbb\xbf" + START + b"}",
        START.decode().encode("utf-16"),
        b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"\xff\xfe"}]}',
        b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
        b"model=gemini-3.6-flash&messages=hi",
        b"--b\r\nContent-Disposition: form-data; name=model\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_what_is_not_json_is_refused(server: Pollux, upstream: FakeUpstream, body: bytes) -> None:
    """Strictly: no comments, no NaN, no other quotes, no second document, no other encoding."""
    answer = send(server, body)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_json"
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (START + b",}", "hi"),
        (START + b" , \r\n\t }", "hi"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"hi",},],}', "hi"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"a\nb"}]}', "a\nb"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"a\r\nb\\n"}]}', "a\r\nb\n"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"a,]\n,}\\",}"},]}', 'a,]\n,}",}'),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"\\\\\n"}]}', "\\\n"),
    ],
)
def test_two_slips_are_forgiven(server: Pollux, upstream: FakeUpstream, body: bytes, text: str) -> None:
    """A trailing comma and raw line breaks inside texts; what looks like a slip inside a text stays as it is."""
    answer = send(server, body)

    assert answer.status == 200
    assert parsed(upstream) == text


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": ["x"]}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [*MESSAGES, None]}, "messages[1]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [*MESSAGES, {"role": 7, "content": "hi"}]}, "messages[1].role"),
        ({"messages": [{"role": "pope", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "User", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"type": "text", "text": "x"}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": 1e308}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": []}, "top_p"),
        ({"n": -1}, "n"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": "1"}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_completion_tokens": "10"}, "max_completion_tokens"),
        ({"seed": 10**30}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop"),
        ({"stop": ["a", None]}, "stop[1]"),
        ({"stop": [f"{number}" for number in range(6)]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"reasoning_effort": "hard"}, "reasoning_effort"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"reasoning_effort": ""}, "reasoning_effort"),
        ({"frequency_penalty": "x"}, "frequency_penalty"),
        ({"logprobs": "x"}, "logprobs"),
        ({"n": 1000}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 10**30}, "top_logprobs"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"frequency_penalty": 2.1}, "frequency_penalty"),
        ({"presence_penalty": -1e308}, "presence_penalty"),
        ({"service_tier": "ultra"}, "service_tier"),
        ({"service_tier": 1}, "service_tier"),
        ({"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT"}]}, "safety_settings[0].threshold"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_bad_value_is_refused_by_its_name(
    server: Pollux, upstream: FakeUpstream, parameters: dict[str, Any], param: str, streamed: bool
) -> None:
    """400 with the path of the parameter, whole and streamed, before anything is paid for."""
    answer = ask(server.url, json={"model": MODEL, "messages": MESSAGES, "stream": streamed} | parameters)

    assert answer.status == 400
    assert answer.error["param"] == param
    assert param.rpartition(".")[2].partition("[")[0] in answer.error["message"]
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(server: Pollux, missing: str) -> None:
    """With OpenAI's code for it."""
    body = {"model": MODEL, "messages": MESSAGES}
    del body[missing]
    answer = ask(server.url, json=body)

    assert answer.status == 400
    assert answer.error["param"] == missing
    assert answer.error["code"] == "missing_required_parameter"


@pytest.mark.parametrize(
    "name",
    [
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "stop",
        "reasoning_effort",
        "tools",
        "tool_choice",
        "response_format",
        "logprobs",
        "metadata",
        "user",
        "never_heard_of",
    ],
)
def test_null_is_absence(server: Pollux, upstream: FakeUpstream, name: str) -> None:
    """The Python client sends `None` as null."""
    answer = ask(server.url, json={"model": MODEL, "messages": MESSAGES, name: None})
    [request] = upstream.requests

    assert answer.status == 200
    assert "generationConfig" not in request.json
    assert request.verb == "generateContent"


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"5", b"true", b"[" + START + b"}]"])
def test_a_body_that_is_no_object_is_refused(server: Pollux, body: bytes) -> None:
    """JSON, but not a request."""
    answer = send(server, body)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_type"
    assert "an object" in answer.error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        START + b',"metadata":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        START + b',"never_heard_of":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        START + b',"metadata":' + b"[" * 10_000 + b'"\\u0000"' + b"]" * 10_000 + b",}",
        START + b',"metadata":' + b"[" * 10_000 + b'"\\ud800"' + b"]" * 10_000 + b"}",
        b'{"model":"gemini-3.6-flash","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
)
def test_ten_thousand_levels_of_nesting_are_refused(server: Pollux, upstream: FakeUpstream, body: bytes) -> None:
    """In known and unknown fields, whole and cut, with other faults beside."""
    answer = send(server, body)

    assert answer.status == 400
    assert answer.error["code"] in {"nesting_too_deep", "invalid_type", "invalid_json"}
    assert upstream.requests == []


@pytest.mark.parametrize("levels", [1, 50, 300, 600, 900])
def test_a_nul_is_refused_however_deep(server: Pollux, levels: int) -> None:
    """The nesting that the parser takes, the search for the place takes too."""
    answer = send(server, START + b',"metadata":' + b"[" * levels + b'"a\\u0000"' + b"]" * levels + b"}")

    assert answer.status == 400
    assert (answer.error["param"] or "metadata").startswith("metadata")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"a\\u0000b"}]}', "messages[0].content"),
        (b'{"model":"gemini-\\u0000","messages":[{"role":"user","content":"hi"}]}', "model"),
        (START + b',"stop":["a","\\u0000"]}', "stop[1]"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"\\ud800"}]}', "messages[0].content"),
        (b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"\\udc00\\ud800"}]}', "messages[0].content"),
        (START + b',"stop":["\\ud83d"]}', "stop[0]"),
    ],
)
def test_text_that_is_no_text_is_refused_by_its_place(server: Pollux, upstream: FakeUpstream, body: bytes, param: str) -> None:
    """NUL and halves of surrogate pairs; the native API takes neither."""
    answer = send(server, body)

    assert answer.status == 400
    assert answer.error["param"] == param
    assert upstream.requests == []


@pytest.mark.parametrize("value", [b'"\xe9"', b'{"a":1e999}', b'"\\ud800"'], ids=["latin-1", "out of range", "half a pair"])
@pytest.mark.parametrize(
    "field",
    [
        b'"user":%s',
        b'"metadata":%s',
        b'"logit_bias":%s',
        b'"response_format":%s',
        b'"response_format":{"type":"json_schema","json_schema":%s}',
        b'"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"title":%s}}}',
        b'"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"title":%s}}},"unknown":1',
        b'"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":%s}}]}]',
        b'"messages":[{"role":"assistant","images":[{"type":"image_url","image_url":{"url":%s}}]}]',
    ],
)
def test_a_field_that_is_read_late_is_refused_too(server: Pollux, upstream: FakeUpstream, field: bytes, value: bytes) -> None:
    """Fields that are kept raw while the body is read: what is in them shows where they are used."""
    answer = send(server, START + b"," + field % value + b"}")

    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("escaped", "text"),
    [(b"\\ud83d\\ude00", "\U0001f600"), (b"\\\\u0000", "\\u0000"), (b"\\\\ud800", "\\ud800"), (b"\\u2028", "\u2028")],
)
def test_text_that_only_looks_so_passes(server: Pollux, upstream: FakeUpstream, escaped: bytes, text: str) -> None:
    """Whole surrogate pairs, and a backslash before the letters."""
    answer = send(server, b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"' + escaped + b'"}]}')

    assert answer.status == 200
    assert parsed(upstream) == text


@pytest.mark.parametrize(
    "model",
    [
        "",
        " ",
        "../../v1beta/files",
        "models/../../files",
        "gemini/../x",
        "..",
        ".",
        "/",
        "//evil.example/x",
        "gemini-3.6-flash:streamGenerateContent",
        "gemini-3.6-flash?key=x",
        "gemini-3.6-flash?alt=sse#",
        "gemini-3.6-flash#",
        "gemini%2F..",
        "%2e%2e%2f",
        "gemini-3.6-flash\r\nx-goog-api-key: other",
        "gemini 3.6 flash",
        "gemini-3.6-flash\u0000",
        "gémini",
        "tunedModels/x",
        "models/models/models/x",
        "x" * 129,
        "x" * 1_000_000,
        "\\..\\x",
        "-gemini",
        "https://evil.example/gemini",
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_models_name_is_no_path(server: Pollux, upstream: FakeUpstream, model: str, streamed: bool) -> None:
    """Nothing is asked of the upstream under a name that would lead elsewhere; the answer does not repeat a long one."""
    answer = chat(server.url, model=model, stream=streamed)

    assert answer.status in {400, 404}
    assert answer.error["param"] == "model"
    assert len(answer.body) < 1000
    assert upstream.requests == []


@pytest.mark.parametrize("name", ["..%2F..%2Ffiles", "%2e%2e", "x%3Fkey%3Dy", "x%0d%0aHost", "a%20b", "x" * 5000, "%00"])
def test_a_models_name_in_the_address_is_no_path_either(server: Pollux, upstream: FakeUpstream, name: str) -> None:
    """The same for GET /models/{id}."""
    answer = ask(server.url, f"/v1/models/{name}")

    assert answer.status == 404
    assert answer.error["code"] in {"model_not_found", "not_found", "unsupported_endpoint"}
    assert upstream.requests == []


def test_a_body_declared_too_large_is_refused_before_it_is_sent(server: Pollux) -> None:
    """200 MB announced: 413 comes while the body is still at home."""
    answer = declared(server, 200_000_000)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in answer
    assert str(SETTINGS_BYTES_MAX).encode() in answer


def declared(server: Pollux, length: int) -> bytes:
    """Announce a body and read the answer without sending it."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_body_without_a_length_is_cut_at_the_limit(server: Pollux) -> None:
    """Chunks up to 200 MB: 413 soon after the limit, and the memory that it costs is about the limit."""
    parts = urlsplit(server.url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    piece = b"x" * 1_000_000
    sent = 0
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 200:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                sent += 1
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(65536):
                answer += received
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert 104 <= sent < 200
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert grown < 150 * 1024


@pytest.mark.parametrize(
    "body",
    [
        START + b',"user":"' + b'\\"' * 1_000_000,
        START + b',"user":' + b'"' * 1_000_001,
        START + b',"metadata":[' + b'"\n",' * 500_000 + b"]}",
        START + b',"metadata":[' + b",]" * 500_000,
        START + b',"metadata":[' + b", " * 500_000 + b"x]}",
        START + b',"user":"' + b"\\" * 1_000_001 + b'"}',
        START + b',"metadata":[' + b'"",' * 500_000 + b'"\\u0000"]}',
        START + b',"metadata":[' + b'"",' * 500_000 + b'"\\ud800"]}',
        START + b',"max_tokens":' + b"9" * 1_000_000 + b"}",
        START + b',"temperature":1' + b"0" * 1_000_000 + b".5e-999999}",
        START + b',"metadata":{' + b'"a":1,' * 300_000 + b'"a":1}' + b"}x",
    ],
    ids=lambda body: repr(body[72:110]),
)
def test_bad_input_costs_time_in_proportion_to_its_length(server: Pollux, body: bytes) -> None:
    """A megabyte or two made to be slow: each is refused before anybody would have waited."""
    started = time.monotonic()
    answer = send(server, body)

    assert answer.status == 400
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("charset", ["application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(server: Pollux, charset: str) -> None:
    """What the body is counts, not what it is called: curl sends forms, and many clients send nothing."""
    answer = ask(
        server.url, CHAT, body=msgspec.json.encode({"model": MODEL, "messages": MESSAGES}), headers={"content-type": charset}
    )

    assert answer.status == 200


def test_a_packed_body_is_refused(server: Pollux) -> None:
    """No decompression, so no bomb."""
    answer = ask(server.url, CHAT, body=b"\x1f\x8b\x08" + bytes(50), headers={"content-encoding": "gzip"})

    assert answer.status == 400
    assert answer.error["code"] == "invalid_json"


def test_a_large_request_arrives_whole(server: Pollux, upstream: FakeUpstream) -> None:
    """Ten megabytes of text, in pieces without a length, go upstream to the last letter."""
    text = "ab\u00e9" * 3_000_000
    body = msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": text}]})
    answer = ask(server.url, CHAT, body=[body[at : at + 100_000] for at in range(0, len(body), 100_000)])

    assert answer.status == 200
    assert parsed(upstream) == text


@pytest.mark.parametrize("streamed", [False, True])
def test_unknown_fields_are_dropped_and_told(server: Pollux, upstream: FakeUpstream, streamed: bool) -> None:
    """They never reach the native API. Their names stand in the body's report, a code in the header."""
    message = {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]}
    answer = ask(
        server.url,
        json={"model": MODEL, "messages": [message], "stream": streamed, "top_a": 0.5},
        headers={"x-pollux-report": "body"},
    )
    [request] = upstream.requests

    assert answer.status == 200
    assert set(answer.headers["x-pollux-losses"].split(", ")) == {"unknown=ignored", "messages=ignored"}
    assert b"messages[0].content[0].cache_control" in answer.body
    assert b"top_a" in answer.body
    assert b"cache_control" not in request.body
    assert b"top_a" not in request.body


def test_unknown_fields_of_a_forgiven_body_are_told_too(server: Pollux) -> None:
    """A trailing comma stands in nobody's way."""
    answer = send(server, b'{"top_a": 1, ' + START[1:] + b",}")

    assert answer.status == 200
    assert answer.headers["x-pollux-losses"] == "unknown=ignored"


def test_many_unknown_fields_are_told_in_part(server: Pollux) -> None:
    """A bound on what is noted, however many there are."""
    answer = ask(
        server.url,
        json={"model": MODEL, "messages": MESSAGES} | {f"x{i}": i for i in range(5000)},
        headers={"x-pollux-report": "body"},
    )

    assert answer.status == 200
    assert len(answer.json["extra_content"]["pollux"]["losses"]) == 100
