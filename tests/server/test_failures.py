"""What goes wrong above keeps its meaning below: status, code, and when to come back."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from tests.server.asking import MODEL, Pollux, Stream, ask, chat, pollux
from tests.server.fake import Conversation, FakeUpstream, Handler, answering, error_reply, text_reply

HTML = b"<!DOCTYPE html><html><body><h1>502. That's an error.</h1></body></html>"


@pytest.fixture(scope="module")
def emulated() -> Iterator[Pollux]:
    """A server on the emulator, whose faults have the recorded words."""
    with EmulatorServer(Emulator()) as emulator, pollux(emulator.url, upstream="emulator") as running:
        yield running


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """An upstream for what no emulator would say."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream) -> Iterator[Pollux]:
    """A server on it."""
    with pollux(upstream) as running:
        yield running


FAULTS = [
    ("status=400; reason=invalid-argument", 400, "invalid_request_error", "invalid_value"),
    ("status=400; reason=invalid-key", 401, "invalid_request_error", "invalid_api_key"),
    ("status=400; reason=expired-key", 401, "invalid_request_error", "invalid_api_key"),
    ("status=400; reason=context", 400, "invalid_request_error", "context_length_exceeded"),
    ("status=400; reason=location", 403, "permission_error", "unsupported_country_region_territory"),
    ("status=401; reason=token", 401, "invalid_request_error", "invalid_api_key"),
    ("status=402; reason=prepaid", 429, "insufficient_quota", "insufficient_quota"),
    ("status=403; reason=denied", 403, "permission_error", "permission_denied"),
    ("status=403; reason=disabled", 403, "permission_error", "service_disabled"),
    ("status=403; reason=leaked-key", 403, "permission_error", "permission_denied"),
    ("status=404; reason=unknown-model", 404, "invalid_request_error", "model_not_found"),
    ("status=404; reason=retired", 404, "invalid_request_error", None),
    ("status=429", 429, "requests", "rate_limit_exceeded"),
    ("status=500", 500, "server_error", "server_error"),
    ("status=503; reason=high-demand", 503, "server_error", "overloaded"),
    ("status=503; reason=overloaded", 503, "server_error", "overloaded"),
    ("status=504", 504, "server_error", "upstream_timeout"),
]


@pytest.mark.parametrize(("fault", "status", "kind", "code"), FAULTS)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_of_the_service_keeps_its_meaning(
    emulated: Pollux, fault: str, status: int, kind: str, code: str | None, streamed: bool
) -> None:
    """In the recorded words, whole and streamed."""
    answer = chat(emulated.url, headers={"x-emulator-fault": fault}, stream=streamed)

    assert answer.status == status
    assert answer.error["type"] == kind
    assert code is None or answer.error["code"] == code
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("fault", "status", "code"), [(fault, status, code) for fault, status, _, code in FAULTS[12:]])
def test_the_models_routes_keep_the_meaning_too(emulated: Pollux, fault: str, status: int, code: str) -> None:
    """The list, and one model."""
    answers = [ask(emulated.url, path, headers={"x-emulator-fault": fault}) for path in ("/v1/models", f"/v1/models/{MODEL}")]

    assert [answer.status for answer in answers] == [status, status]
    assert {answer.error["code"] for answer in answers} == {code}


def test_a_rate_limit_says_when_to_come_back(emulated: Pollux) -> None:
    """RetryInfo's delay, in whole seconds for HTTP and in milliseconds for the clients."""
    answer = chat(emulated.url, headers={"x-emulator-fault": "status=429; retry-after=2.5"})

    assert answer.status == 429
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["retry-after-ms"] == "2500"
    assert answer.headers.get("x-should-retry") != "false"


def test_a_daily_quota_is_not_worth_a_retry(emulated: Pollux) -> None:
    """The clients are told not to repeat it themselves."""
    answer = chat(emulated.url, headers={"x-emulator-fault": "status=429; quota=per-day"})

    assert answer.status == 429
    assert answer.headers["x-should-retry"] == "false"


def test_a_context_overflow_names_the_messages(emulated: Pollux) -> None:
    """As OpenAI does."""
    answer = chat(emulated.url, headers={"x-emulator-fault": "status=400; reason=context"})

    assert answer.error["param"] == "messages"
    assert "token" in answer.error["message"]


def test_an_unknown_model_names_the_model(emulated: Pollux) -> None:
    """Without any fault: nobody has such a model."""
    answer = chat(emulated.url, model="gemini-none")

    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert answer.error["param"] == "model"


def test_what_the_service_said_survives_beside(emulated: Pollux) -> None:
    """Status and details, for who knows them."""
    error = chat(emulated.url, headers={"x-emulator-fault": "status=429"}).error
    native = error["extra_content"]["google"]

    assert native["status"] == "RESOURCE_EXHAUSTED"
    assert native["code"] == 429
    assert any("RetryInfo" in detail["@type"] for detail in native["details"])


@pytest.mark.parametrize(
    "fault", ["cut-after=1", "malformed-after=1", "error-after=1", "error-after=1; raw", "error-after=1; status=503"]
)
def test_a_fault_in_the_stream_is_told_in_the_stream(emulated: Pollux, fault: str) -> None:
    """However it breaks: an error, once, last."""
    with Stream(emulated.url, headers={"x-emulator-fault": fault}) as stream:
        told = stream.whole()

    assert told.status == 200
    assert told.error["type"] == "server_error"


def cut(conversation: Conversation) -> None:
    """Break the connection before a byte."""
    conversation.cut()


def cut_in_the_body(conversation: Conversation) -> None:
    """Break the connection in the middle of a whole answer."""
    conversation.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")


@pytest.mark.parametrize(
    ("steps", "status", "code"),
    [
        (answering(502, HTML, "text/html"), 502, "upstream_error"),
        (answering(503, HTML, "text/html"), 503, "overloaded"),
        (answering(500, b""), 500, "server_error"),
        (answering(404, HTML, "text/html"), 502, "upstream_error"),
        (answering(302, b"", "text/html"), 502, "upstream_error"),
        (answering(204, b""), 502, "upstream_error"),
        (answering(418, b"{}"), 502, "upstream_error"),
        (answering(429, b"slow down", "text/plain"), 429, "rate_limit_exceeded"),
        (answering(400, b'{"error":"text"}'), 400, "invalid_value"),
        (answering(500, b'[{"error":{"code":500,"message":"In a list.","status":"INTERNAL"}}]'), 500, "server_error"),
        (answering(599, error_reply(599, "New.", "NEVER_HEARD_OF")), 500, "server_error"),
        (answering(413, error_reply(413, "Too large.", "INVALID_ARGUMENT")), 413, None),
        (answering(499, error_reply(499, "Cancelled.", "CANCELLED")), 499, "cancelled"),
        (answering(200, HTML, "text/html"), 502, "upstream_malformed"),
        (answering(200, b""), 502, "upstream_malformed"),
        (answering(200, b'{"candidates":['), 502, "upstream_malformed"),
        (answering(200, b'{"candidates":5}'), 502, "upstream_malformed"),
        (answering(200, b"[]"), 502, "upstream_malformed"),
        (answering(200, b'{"candidates":' + b"[" * 100_000), 502, "upstream_malformed"),
        (answering(200, b"\xff\xfe"), 502, "upstream_malformed"),
        (answering(200, error_reply(503, "Inside.", "UNAVAILABLE")), 503, "overloaded"),
        (cut_in_the_body, 502, "upstream_broken"),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_service(
    server: Pollux, upstream: FakeUpstream, steps: Handler, status: int, code: str | None
) -> None:
    """Pages of front ends, half answers, other shapes: JSON for the caller, and the status that fits."""
    upstream.reset()
    upstream.then(steps)
    answer = chat(server.url)

    assert answer.status == status
    assert code is None or answer.error["code"] == code
    assert b"<" not in answer.body
    assert len(upstream.requests) == 1


def test_a_connection_that_breaks_before_a_byte_is_a_502(upstream: FakeUpstream) -> None:
    """On a fresh connection the call is not repeated: it may have been paid for."""
    upstream.reset()
    upstream.then(cut)
    with pollux(upstream) as fresh:
        answer = chat(fresh.url)

    assert answer.status == 502
    assert answer.error["code"] == "upstream_broken"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("delay", ["9" * 400 + "s", "1e9s", "-5s", "s", 5, None, ["5s"]])
def test_a_strange_delay_is_no_crash(server: Pollux, upstream: FakeUpstream, delay: Any) -> None:
    """The rate limit is told without it."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    upstream.then(answering(429, error_reply(429, "Too much.", "RESOURCE_EXHAUSTED", details)))
    answer = chat(server.url)

    assert answer.status == 429
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    "error", [{"code": 1}, {"message": 5}, {"code": "x"}, {"details": [1]}, {"details": [{"reason": []}]}, [], None]
)
def test_an_error_body_of_another_shape_is_still_an_error(server: Pollux, upstream: FakeUpstream, error: Any) -> None:
    """Fields that are missing, or of other types, are no bug of ours."""
    upstream.then(answering(400, {"error": error}))
    answer = chat(server.url)

    assert answer.status in {400, 500, 502}
    assert answer.error["message"]
    assert answer.error["code"] != "internal_error"


def test_a_late_unexpected_part_is_no_crash(server: Pollux, upstream: FakeUpstream) -> None:
    """From Gemini everything may be new: parts, fields, reasons."""
    reply = text_reply("Hi", finish="NEVER_HEARD_OF")
    reply["candidates"][0]["content"]["parts"].append({"smell": {"of": "roses"}})
    reply["neverHeardOf"] = [1]
    upstream.then(answering(200, reply))
    answer = chat(server.url)
    choice = answer.json["choices"][0]

    assert answer.status == 200
    assert choice["message"]["content"] == "Hi"
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["extra_content"]["google"]["finish_reason"] == "NEVER_HEARD_OF"
    assert choice["message"]["extra_content"]["google"]["parts"] == [{"text": "Hi"}, {"smell": {"of": "roses"}}]


@pytest.mark.parametrize("streamed", [False, True])
def test_an_upstream_that_is_not_there_is_a_502(streamed: bool) -> None:
    """The message says that it cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pollux(f"http://127.0.0.1:{port}") as server:
        answer = chat(server.url, stream=streamed)
        models = ask(server.url, "/v1/models")

    assert (answer.status, models.status) == (502, 502)
    assert answer.error["code"] == models.error["code"] == "upstream_unreachable"
    assert "cannot be reached" in answer.error["message"]


def test_a_paid_call_is_not_repeated(server: Pollux, upstream: FakeUpstream) -> None:
    """The clients repeat 429 and 5xx themselves: one request in, one request out."""
    upstream.reset()
    for status, word in ((429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")):
        upstream.then(answering(status, error_reply(status, "No.", word)))
        chat(server.url)
        chat(server.url, stream=True)

    assert len(upstream.requests) == 8


def test_a_blocked_prompt_is_an_answer(server: Pollux, upstream: FakeUpstream) -> None:
    """200 with `content_filter` and a refusal, whole and streamed."""
    upstream.then(answering(200, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}))
    choice = chat(server.url).json["choices"][0]

    def blocked(conversation: Conversation) -> None:
        conversation.start()
        conversation.send({"promptFeedback": {"blockReason": "SAFETY"}})
        conversation.end()

    upstream.then(blocked)
    with Stream(server.url) as stream:
        told = stream.whole()

    assert choice["finish_reason"] == "content_filter"
    assert "SAFETY" in choice["message"]["refusal"]
    assert told.messages[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert told.data[-1] == b"[DONE]"
