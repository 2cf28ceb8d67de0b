"""For operators: aliases of models, the access log, and whether requests should come here."""

import io
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.server.asking import CHAT, KEY, MODEL, SECONDS, Pollux, Stream, ask, chat, pollux
from tests.server.fake import Conversation, FakeUpstream, answering, error_reply, plainly

ALIASES = {"gpt-4o-mini": "gemini-3.6-flash", "gemini-3.6-flash": "gemini-none", "old": "models/gemini-3.1-pro-preview"}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """An upstream of each test's own."""
    with FakeUpstream() as fake:
        yield fake


def called(upstream: FakeUpstream) -> list[str]:
    """Give the models that were called for an answer."""
    return [request.model for request in upstream.requests if request.verb]


def test_an_alias_is_called_by_its_target_and_echoed_by_its_name(upstream: FakeUpstream) -> None:
    """Whole and streamed, with and without `models/` on either side."""
    with pollux(upstream, aliases=ALIASES) as server:
        whole = chat(server.url, model="gpt-4o-mini")
        other = chat(server.url, model="models/old")
        with Stream(server.url, model="gpt-4o-mini") as stream:
            told = stream.whole()
        model = ask(server.url, "/v1/models/gpt-4o-mini")

    assert called(upstream) == ["gemini-3.6-flash", "gemini-3.1-pro-preview", "gemini-3.6-flash"]
    assert whole.json["model"] == "gpt-4o-mini"
    assert other.json["model"] == "models/old"
    assert {message["model"] for message in told.messages} == {"gpt-4o-mini"}
    assert model.json["id"] == "gpt-4o-mini"


def test_an_alias_does_not_hide_a_model_that_the_upstream_lists(upstream: FakeUpstream) -> None:
    """The list is asked for once, not for every request."""
    with pollux(upstream, aliases=ALIASES) as server:
        statuses = [chat(server.url, model="gemini-3.6-flash").status for _ in range(3)]

    assert statuses == [200] * 3
    assert called(upstream) == ["gemini-3.6-flash"] * 3
    assert len(upstream.requests) == 4


def test_a_name_without_an_alias_costs_no_look_at_the_list(upstream: FakeUpstream) -> None:
    """One request in, one request out."""
    with pollux(upstream, aliases=ALIASES) as server:
        chat(server.url, model="gemini-3.1-pro-preview")

    assert [request.verb for request in upstream.requests] == ["generateContent"]


def test_one_callers_list_is_not_anothers(upstream: FakeUpstream) -> None:
    """What is listed can differ by key: each owner's list is asked for with their own key."""

    def by_key(conversation: Conversation) -> None:
        if conversation.request.verb or conversation.request.key == KEY:
            plainly(conversation)
        else:
            conversation.answer(200, {"models": []})

    upstream.then(by_key)
    with pollux(upstream, aliases={"gemini-3.6-flash": "gemini-3.1-pro-preview"}) as server:
        chat(server.url)
        chat(server.url, key=KEY + "-of-another")
        chat(server.url)

    assert called(upstream) == ["gemini-3.6-flash", "gemini-3.1-pro-preview", "gemini-3.6-flash"]


def test_without_a_list_the_name_is_tried_as_it_is(upstream: FakeUpstream) -> None:
    """An alias is not worth an error, and the caller's own error is told by the call itself."""

    def no_list(conversation: Conversation) -> None:
        if conversation.request.verb:
            plainly(conversation)
        else:
            conversation.answer(503, error_reply(503, "No list.", "UNAVAILABLE"))

    upstream.then(no_list)
    with pollux(upstream, aliases=ALIASES) as server:
        answer = chat(server.url, model="gpt-4o-mini")

    assert answer.status == 200
    assert called(upstream) == ["gpt-4o-mini"]


@contextmanager
def logging_server(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> Iterator[tuple[Pollux, list[str]]]:
    """Run a server and give its access log, which is whole when the block has ended."""
    out = io.StringIO()
    lines: list[str] = []
    monkeypatch.setattr(sys, "stderr", out)
    with pollux(upstream, access_log=True, **settings) as server:
        yield server, lines
    monkeypatch.undo()
    lines += out.getvalue().split("\n")
    assert lines.pop() == ""


def test_the_log_has_one_line_for_every_request(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, method, path, time, id, and what it was about."""
    with logging_server(upstream, monkeypatch) as (server, lines):
        good = chat(server.url, user="me")
        bad = chat(server.url, messages=[])
        ask(server.url, "/none")
        with Stream(server.url) as stream:
            streamed = stream.whole()

    assert len(lines) == 4
    assert f" 200 POST {CHAT} " in lines[0]
    assert good.headers["x-request-id"] in lines[0]
    assert f"model={MODEL} tokens=3+5 lost=user=ignored" in lines[0]
    assert f" 400 POST {CHAT} " in lines[1]
    assert bad.headers["x-request-id"] in lines[1]
    assert " 404 GET /none " in lines[2]
    assert streamed.headers["x-request-id"] in lines[3]
    assert "tokens=3+5" in lines[3]


def test_the_json_log_is_one_object_a_line(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same content, by name."""
    with logging_server(upstream, monkeypatch, log_format="json") as (server, lines):
        answer = chat(server.url)
        chat(server.url, key="")
    entries = [msgspec.json.decode(line) for line in lines]

    assert [entry["status"] for entry in entries] == [200, 401]
    assert entries[0]["request_id"] == answer.headers["x-request-id"]
    assert entries[0]["path"] == CHAT
    assert entries[0]["model"] == MODEL
    assert (entries[0]["prompt_tokens"], entries[0]["completion_tokens"]) == (3, 5)
    assert entries[0]["ms"] >= 0
    assert "owner" not in entries[1]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_caller_cannot_write_lines_into_the_log(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Line breaks, escapes of the terminal and other tricks in paths and models stay inside their own line."""
    tricks = [
        "a\nb 200 GET /fake",
        "a\r\nb",
        "a\x1b[31mred",
        "a\u2028b",
        "a\u0085b",
        "a\x00b",
        "a status=200",
        "\u202egpj",
        "x" * 5000,
    ]
    with logging_server(upstream, monkeypatch, log_format=form) as (server, lines):
        for trick in tricks:
            ask(server.url, "/" + quote(trick))
            chat(server.url, model=trick)
            chat(server.url, messages=[{"role": trick, "content": "x", "name": trick}])
            ask(server.url, CHAT + "?" + quote(trick))
    text = "\n".join(lines)

    assert len(lines) == 4 * len(tricks)
    assert len(text.splitlines()) == len(lines) or form == "json"
    assert all(character.isprintable() or character == "\n" or form == "json" for character in text)
    assert not any(character in text for character in "\r\x1b\x00")
    assert max(len(line) for line in lines) < 1500
    assert all(line.startswith("2") if form == "text" else msgspec.json.decode(line) for line in lines)


def test_a_caller_that_left_is_told_as_left(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """499 in JSON, as nginx says it."""
    gone = threading.Event()

    def hang(conversation: Conversation) -> None:
        conversation.left_within()
        gone.set()

    upstream.then(hang)
    with logging_server(upstream, monkeypatch, log_format="json") as (server, lines):
        with Stream(server.url):
            upstream.wait_for(1)
        assert gone.wait(SECONDS)

    assert [msgspec.json.decode(line)["status"] for line in lines] == [499]


def test_an_unexpected_mistake_is_a_500_without_its_cause(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets an id, the log gets the reason; the server keeps serving."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    with pollux(upstream) as server:
        monkeypatch.setattr(server.app.aliases, "resolve", broken)
        answer = chat(server.url)
        monkeypatch.undo()
        after = chat(server.url)
        logged = server.errors.pop()

    assert logged.startswith(f"A bug, in POST {CHAT}")
    assert answer.headers["x-request-id"] in logged
    assert answer.status == 500
    assert answer.error["code"] == "internal_error"
    assert answer.headers["x-request-id"] in answer.error["message"]
    assert b"secret inside" not in answer.body
    assert after.status == 200


def test_alive_and_ready(upstream: FakeUpstream) -> None:
    """Without a key, from anywhere."""
    with pollux(upstream) as server:
        answers = [ask(server.url, path, key="") for path in ("/healthz", "/readyz", "/healthz/", "//readyz")]

    assert [answer.status for answer in answers] == [200] * 4
    assert answers[0].body == b"ok\n"


def test_draining_is_alive_but_not_ready(upstream: FakeUpstream) -> None:
    """So a load balancer sends no more, and nobody kills what is finishing; requests are still served."""
    with pollux(upstream) as server:
        server.app.draining = True
        answers = [ask(server.url, "/healthz"), ask(server.url, "/readyz"), chat(server.url)]

    assert [answer.status for answer in answers] == [200, 503, 200]
    assert answers[1].body == b"draining\n"


def test_without_an_upstream_the_server_is_alive_but_not_ready() -> None:
    """The connection is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pollux(f"http://127.0.0.1:{port}") as server:
        answers = [ask(server.url, "/healthz"), ask(server.url, "/readyz")]

    assert [answer.status for answer in answers] == [200, 503]
    assert answers[1].body == b"no upstream\n"


def test_an_upstream_that_refuses_is_there(upstream: FakeUpstream) -> None:
    """The probe spends no key: any answer will do, also a refusal."""
    upstream.then(answering(403, error_reply(403, "Who are you?", "PERMISSION_DENIED")))
    with pollux(upstream, gemini_api_key="AIza-of-the-server") as server:
        ready = ask(server.url, "/readyz", key="")

    assert ready.status == 200
    assert upstream.paid() == []
    assert b"AIza" not in upstream.requests[0].bytes


def test_many_probes_ask_the_upstream_once(upstream: FakeUpstream) -> None:
    """Nobody can make the server flood the upstream by asking whether it is ready."""
    with pollux(upstream) as server:
        statuses = {ask(server.url, "/readyz", key="").status for _ in range(20)}

    assert statuses == {200}
    assert len(upstream.requests) == 1


def test_a_silent_upstream_is_no_upstream(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe is answered in time, though the models may think for minutes."""
    monkeypatch.setattr("pollux.server.app.UPSTREAM_CHECK_SECONDS", 0.2)

    def never(conversation: Conversation) -> None:
        conversation.left_within()

    upstream.then(never)
    with pollux(upstream) as server:
        ready = ask(server.url, "/readyz")

    assert ready.status == 503
