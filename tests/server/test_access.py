"""Whose key is spent, and by whom: every byte that reaches the upstream, the answers and the log is searched for keys."""

import hashlib
import hmac
import io
import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from tests.server.asking import CHAT, KEY, MESSAGES, MODEL, SECONDS, Answer, Pollux, Stream, Told, ask, chat, pollux
from tests.server.fake import Conversation, FakeUpstream, answering, error_reply, text_reply

SERVER_KEY = "AIza-the-key-of-the-server-9876543210"
POLLUX_KEY = "pk-of-alice-0123456789abcdef"
OTHER_KEY = "pk-of-bob-fedcba9876543210"
KEYS = {name: "sha256:" + hashlib.sha256(key.encode()).hexdigest() for name, key in (("alice", POLLUX_KEY), ("bob", OTHER_KEY))}
GUARDED = {"gemini_api_key": SERVER_KEY, "keys": KEYS}
PATHS = (
    CHAT,
    "/v1beta/openai/chat/completions",
    "/v1beta/chat/completions",
    "/v1/models",
    "/v1/models/",
    "/v1beta/openai/models",
    f"/v1/models/{MODEL}",
    f"/v1beta/openai/models/models%2F{MODEL}",
    f"/v1/models/{MODEL}:generateContent",
    f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
    "/v1beta/models",
    "/v1alpha/models",
    "/upload/v1beta/files",
    "/download/v1beta/files/x:download",
    "/v1/files",
    "/healthz",
    "/",
    "/v1/nothing",
    "//v1//chat/completions/",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream that counts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _forget(upstream: FakeUpstream) -> None:
    upstream.reset()


@pytest.fixture(scope="module")
def open_server(upstream: FakeUpstream) -> Iterator[Pollux]:
    """Callers bring their own keys."""
    with pollux(upstream) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(upstream: FakeUpstream) -> Iterator[Pollux]:
    """The server's key, guarded by Pollux keys."""
    with pollux(upstream, **GUARDED) as running:
        yield running


@pytest.fixture(scope="module")
def local(upstream: FakeUpstream) -> Iterator[Pollux]:
    """The server's key, for programs of this machine."""
    with pollux(upstream, gemini_api_key=SERVER_KEY) as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"authorization": f"Bearer {KEY}"}, CHAT),
        ({"authorization": f"bearer   {KEY} "}, CHAT),
        ({"x-goog-api-key": KEY}, CHAT),
        ({}, f"{CHAT}?key={KEY}"),
        ({}, f"{CHAT}?a=b&key={quote(KEY)}&c"),
        ({"authorization": "Basic dXNlcjpwYXNz"}, f"{CHAT}?key={KEY}"),
    ],
)
def test_the_callers_very_key_goes_upstream_in_one_header(
    open_server: Pollux, upstream: FakeUpstream, headers: dict[str, str], path: str
) -> None:
    """However it came, it leaves as `x-goog-api-key`, and stands nowhere else in the request."""
    answer = chat(open_server.url, headers=headers, path=path, key="")
    [request] = upstream.requests

    assert answer.status == 200
    assert request.key == KEY
    assert request.bytes.count(KEY.encode()) == 1
    assert "authorization" not in request.headers
    assert "key=" not in request.target


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer   "},
        {"authorization": KEY},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"x-goog-api-key": ""},
        {"x-api-key": KEY},
        {"cookie": f"key={KEY}"},
        {"authorization": "Bearer two keys"},
        {"authorization": "Bearer k\u00e9y-of-latin-letters"},
        {"authorization": f"Bearer {'k' * 513}"},
        {"authorization": "Bearer tab\tkey"},
    ],
)
def test_what_is_no_key_is_a_401_and_nothing_goes_upstream(
    open_server: Pollux, upstream: FakeUpstream, headers: dict[str, str]
) -> None:
    """The answer says how a key is sent, or what is wrong with it; it does not repeat it."""
    answer = chat(open_server.url, headers=headers, key="")

    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert "key" in answer.error["message"]
    assert KEY.encode() not in answer.body
    assert upstream.requests == []


def echoing(conversation: Conversation) -> None:
    """Refuse as the service once did: with the key in message, details and DebugInfo."""
    key = conversation.request.key
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": f"key {key} is bad", "stackEntries": [key]},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "OTHER", "metadata": {"consumer": f"api_key:{key}"}},
    ]
    conversation.answer(400, error_reply(400, f"Consumer 'api_key:{key}' is suspended. {key}", "INVALID_ARGUMENT", details))


def echoing_in_the_stream(conversation: Conversation) -> None:
    """The same, after the first event."""
    key = conversation.request.key
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"consumer": key}}]
    conversation.start()
    conversation.send(text_reply("Hel", finish=None))
    conversation.send(error_reply(503, f"{key} is overloaded", "UNAVAILABLE", details))
    conversation.end()


@pytest.mark.parametrize("mode", ["open_server", "guarded", "local"])
def test_a_key_that_the_upstream_echoes_is_not_told(request: pytest.FixtureRequest, upstream: FakeUpstream, mode: str) -> None:
    """Neither in the message nor in the details, whole or in a stream; the server's key least of all."""
    server: Pollux = request.getfixturevalue(mode)
    key = KEY if mode == "open_server" else POLLUX_KEY
    upstream.then(echoing)
    refused = [chat(server.url, key=key), chat(server.url, key=key, stream=True), ask(server.url, "/v1/models", key=key)]
    upstream.then(echoing_in_the_stream)
    with Stream(server.url, key=key) as stream:
        told = stream.whole()
    sent = {request.key for request in upstream.requests}

    assert [answer.status for answer in refused] == [400, 400, 400]
    assert told.error["code"] == "overloaded"
    assert sent == ({KEY} if mode == "open_server" else {SERVER_KEY})
    for body in (*(answer.body for answer in refused), b"".join(told.sends)):
        assert b"DebugInfo" not in body
        assert not any(secret.encode() in body for secret in (KEY, SERVER_KEY, POLLUX_KEY))


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("mode", ["callers", "server's"])
def test_no_key_stands_in_the_log(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch, form: str, mode: str) -> None:
    """Not in the access log and not in the server's own, however the key came and whatever went wrong."""
    access_log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", access_log)
    key = KEY if mode == "callers" else POLLUX_KEY
    settings = {} if mode == "callers" else GUARDED
    with pollux(upstream, access_log=True, log_format=form, **settings) as server:
        chat(server.url, key=key)
        chat(server.url, path=f"{CHAT}?key={key}", key="")
        chat(server.url, headers={"x-goog-api-key": key})
        ask(server.url, f"/none?key={key}", key="")
        ask(server.url, f"/v1beta/models?key={key}", key="")
        upstream.then(echoing)
        chat(server.url, key=key)
        upstream.then(lambda conversation: conversation.cut())
        chat(server.url, key=key)
        logged = list(server.logged)
    text = access_log.getvalue() + "\n".join(logged)

    assert access_log.getvalue().count("\n") == 7
    assert not any(secret in text for secret in (KEY, SERVER_KEY, POLLUX_KEY))
    assert "key=" not in text


def test_no_key_and_no_plain_hash_of_it_stands_in_ids_and_headers(open_server: Pollux, guarded: Pollux) -> None:
    """What an answer carries does not lead back to the key."""
    answers = [chat(open_server.url), chat(guarded.url, key=POLLUX_KEY), ask(open_server.url, "/v1/models")]
    told = "".join(f"{answer.headers}{answer.body!r}" for answer in answers)

    assert [answer.status for answer in answers] == [200, 200, 200]
    for key in (KEY, SERVER_KEY, POLLUX_KEY):
        assert key not in told
        assert hashlib.sha256(key.encode()).hexdigest()[:8] not in told


def strange_headers(server: Pollux) -> list[dict[str, str]]:
    """Give what somebody without a Pollux key may try."""
    host = urlsplit(server.url).netloc
    return [
        {},
        {"authorization": "Bearer x"},
        {"authorization": f"Bearer {SERVER_KEY[:-1]}"},
        {"authorization": f"Bearer {KEYS['alice']}"},
        {"authorization": f"Bearer {KEYS['alice'].removeprefix('sha256:')}"},
        {"authorization": "Bearer alice"},
        {"authorization": f"Bearer {POLLUX_KEY}x"},
        {"authorization": f"Bearer {POLLUX_KEY.upper()}"},
        {"authorization": f"Basic {POLLUX_KEY}"},
        {"x-goog-api-key": "x"},
        {"x-api-key": POLLUX_KEY},
        {"cookie": f"key={POLLUX_KEY}; authorization=Bearer {POLLUX_KEY}"},
        {"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "forwarded": "for=127.0.0.1"},
        {"x-forwarded-host": "localhost", "host": "localhost"},
        {"origin": f"http://{host}", "sec-fetch-site": "same-origin"},
        {"x-http-method-override": "POST", "x-original-url": CHAT},
        {"x-emulator-fault": "status=200", "x-pollux-upstream": "emulator"},
        {"x-goog-user-project": "p", "x-goog-iam-authorization-token": POLLUX_KEY},
    ]


def test_without_a_valid_pollux_key_nothing_reaches_the_upstream(guarded: Pollux, upstream: FakeUpstream) -> None:
    """Every route, method and odd header: the upstream sees no request at all, and no answer is good but the operators'."""
    body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
    answers = [
        (path, method, ask(guarded.url, path, method=method, headers=headers, body=body, key="").status)
        for path, method, headers in itertools.product(PATHS, METHODS, strange_headers(guarded))
    ]
    good = {(path, method) for path, method, status in answers if status < 400}

    assert good == {("/healthz", "GET"), ("/healthz", "HEAD")}
    assert upstream.requests == []


def test_without_a_valid_pollux_key_the_answer_is_the_callers_401(guarded: Pollux) -> None:
    """The caller's key is refused; it is not told as a trouble of the server."""
    answers = [chat(guarded.url, key=key) for key in ("", "wrong", KEY, SERVER_KEY)]

    assert [answer.status for answer in answers] == [401] * 4
    assert {answer.error["code"] for answer in answers} == {"invalid_api_key"}


def test_a_pollux_key_never_goes_upstream(guarded: Pollux, upstream: FakeUpstream) -> None:
    """The upstream sees the server's key alone, however the Pollux key came."""
    answers = [
        chat(guarded.url, key=POLLUX_KEY),
        chat(guarded.url, key="", headers={"x-goog-api-key": OTHER_KEY}),
        chat(guarded.url, key="", path=f"{CHAT}?key={POLLUX_KEY}"),
        chat(guarded.url, key=POLLUX_KEY, stream=True),
        ask(guarded.url, "/v1/models", key=POLLUX_KEY),
        ask(guarded.url, f"/v1/models/{MODEL}", key=OTHER_KEY),
        ask(guarded.url, "/v1/models/gemini-2.5-flash", key=POLLUX_KEY),
    ]
    seen = b"".join(request.bytes for request in upstream.requests)

    assert [answer.status for answer in answers] == [200] * 7
    assert {request.key for request in upstream.requests} == {SERVER_KEY}
    assert POLLUX_KEY.encode() not in seen
    assert OTHER_KEY.encode() not in seen


def test_pollux_keys_are_compared_in_constant_time(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stored hash is compared, by the function made for it, also when the first one fits."""
    compared: list[bytes] = []

    def compare(given: bytes, kept: bytes) -> bool:
        compared.append(kept)
        return given == kept

    with pollux(upstream, **GUARDED) as server:
        monkeypatch.setattr(hmac, "compare_digest", compare)
        statuses = [chat(server.url, key=key).status for key in (POLLUX_KEY, "wrong-but-well-formed")]
        monkeypatch.undo()

    assert statuses == [200, 401]
    assert [kept.hex() for kept in compared] == [text.removeprefix("sha256:") for text in KEYS.values()] * 2


@pytest.mark.parametrize(
    ("status", "reason", "streamed"), [(400, "API_KEY_INVALID", False), (400, "API_KEY_INVALID", True), (401, "", False)]
)
def test_the_servers_refused_key_is_not_told_as_the_callers_401(
    guarded: Pollux, upstream: FakeUpstream, status: int, reason: str, streamed: bool
) -> None:
    """It is the operator's to mend: a 502 that clients do not repeat."""
    word = "INVALID_ARGUMENT" if status == 400 else "UNAUTHENTICATED"
    upstream.then(answering(status, error_reply(status, "API key not valid.", word, [{"reason": reason}])))
    answer = chat(guarded.url, key=POLLUX_KEY, stream=streamed)

    assert answer.status == 502
    assert answer.error["code"] == "upstream_key_refused"
    assert answer.headers["x-should-retry"] == "false"


def test_the_servers_key_refused_late_in_a_stream_is_not_told_as_the_callers_either(upstream: FakeUpstream) -> None:
    """After commitment the same words stand in the stream."""

    committed = threading.Event()

    def refuse_late(conversation: Conversation) -> None:
        assert committed.wait(SECONDS)
        answering(400, error_reply(400, "API key not valid.", "INVALID_ARGUMENT"))(conversation)

    upstream.then(refuse_late)
    with pollux(upstream, commit_seconds=0.1, **GUARDED) as server, Stream(server.url, key=POLLUX_KEY) as stream:
        status, headers = stream.head()
        committed.set()
        told = Told(status, headers, list(stream.sends()))

    assert status == 200
    assert told.error["code"] == "upstream_key_refused"


def test_programs_of_this_machine_need_no_key_in_local_mode(local: Pollux, upstream: FakeUpstream) -> None:
    """Any text as key, or none; localhost and 127.0.0.1; the server's key goes upstream and nothing of the caller's."""
    port = urlsplit(local.url).port
    answers = [
        chat(local.url, key="any-text-of-a-program"),
        chat(local.url, key=""),
        chat(local.url, key="", headers={"host": f"localhost:{port}"}),
        chat(local.url, key="", headers={"host": f"LOCALHOST:{port}"}),
        chat(local.url, key="", headers={"host": f"[::1]:{port}"}),
    ]

    assert [answer.status for answer in answers] == [200] * 5
    assert {request.key for request in upstream.requests} == {SERVER_KEY}
    assert not any(b"any-text-of-a-program" in request.bytes for request in upstream.requests)


def pages(server: Pollux) -> dict[str, dict[str, str]]:
    """Give the ways in which a page that a browser shows reaches this machine."""
    host = urlsplit(server.url).netloc
    port = urlsplit(server.url).port
    return {
        "another origin": {"origin": "https://evil.example"},
        "a sandboxed page or a file": {"origin": "null"},
        "another port of this machine": {"origin": "http://localhost:3000"},
        "the same name, another port": {"origin": "http://127.0.0.1:1"},
        "an origin that ends like ours": {"origin": f"http://evil-{host}"},
        "an origin that begins like ours": {"origin": f"http://{host}.evil.example"},
        "a name that was rebound to us": {"host": f"evil.example:{port}"},
        "a rebound name, same origin": {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"},
        "a rebound name, as the browser marks it": {"host": f"evil.example:{port}", "sec-fetch-site": "same-origin"},
        "a name under localhost": {"host": f"evil.localhost:{port}"},
        "a name that begins like ours": {"host": f"localhost.evil.example:{port}"},
        "a name with our address in it": {"host": f"127.0.0.1.nip.example:{port}"},
        "another address of this machine": {"host": f"0.0.0.0:{port}"},
        "a name with a dot at its end": {"host": f"localhost.:{port}"},
        "an image of another site": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        "an image of the same site": {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        "a form": {"origin": "https://evil.example", "content-type": "application/x-www-form-urlencoded"},
        "a form as plain text": {"origin": "https://evil.example", "content-type": "text/plain"},
        "a form, without an origin": {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "content-type": "text/plain",
        },
        "no host at all": {"host": ""},
    }


def test_no_web_page_reaches_the_upstream_in_local_mode(local: Pollux, upstream: FakeUpstream) -> None:
    """By no route and no method, with a key or without; and no answer may be read by the page."""
    body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
    refused: list[tuple[str, str, str, Answer]] = []
    for (what, headers), path in itertools.product(pages(local).items(), PATHS):
        for method in ("POST", "GET") if path in (CHAT, "/v1/models") else ("POST",) if "chat" in path else ("GET",):
            answer = ask(local.url, path, method=method, headers=headers, body=body if method == "POST" else None)
            refused.append((what, method, path, answer))
    good = {(what, path) for what, _, path, answer in refused if answer.status < 400 and path != "/healthz"}
    readable = [what for what, _, _, answer in refused if any(name.startswith("access-control") for name in answer.headers)]

    assert good == set()
    assert readable == []
    assert upstream.requests == []


def test_a_refused_page_is_told_why(local: Pollux) -> None:
    """403, with the way out in the message."""
    answer = chat(local.url, headers={"origin": "https://evil.example"})

    assert answer.status == 403
    assert answer.error["code"] == "local_only"
    assert "pollux key" in answer.error["message"]


def test_a_preflight_opens_nothing_in_local_mode(local: Pollux, upstream: FakeUpstream) -> None:
    """No CORS header, not even for a page of this machine."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    answers = [
        ask(local.url, CHAT, method="OPTIONS", headers=asked | {"origin": origin}, key="")
        for origin in ("https://evil.example", "null", local.url, "http://localhost:3000")
    ]

    assert all(answer.status >= 400 for answer in answers)
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]
    assert upstream.requests == []


def test_our_own_page_may_call_in_local_mode(local: Pollux) -> None:
    """A page that this server itself shows, as a browser marks its requests."""
    answer = chat(local.url, key="", headers={"origin": local.url, "sec-fetch-site": "same-origin"})

    assert answer.status == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_faults_are_for_the_emulator_alone(upstream: FakeUpstream) -> None:
    """`x-emulator-*` headers go to the emulator, every one, and nowhere else."""
    asked = {"x-emulator-fault": "status=503", "X-Emulator-Tag": "mine", "x-other": "no"}
    counts: list[dict[str, str]] = []
    for settings in ({}, GUARDED, {"upstream": "emulator"}):
        with pollux(upstream, **settings) as server:
            key = POLLUX_KEY if "keys" in settings else KEY
            for answer in (chat(server.url, headers=asked, key=key), ask(server.url, "/v1/models", headers=asked, key=key)):
                assert answer.status == 200
                counts.append(
                    {
                        n: v
                        for n, v in upstream.requests[-1].headers.items()
                        if n in ("x-emulator-fault", "x-emulator-tag", "x-other")
                    }
                )

    assert counts == [{}] * 4 + [{"x-emulator-fault": "status=503", "x-emulator-tag": "mine"}] * 2


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_a_callers_key_never_arrives_at_the_emulator(keys: dict[str, str]) -> None:
    """Not in its journal, and not in what it was sent at all."""
    key = POLLUX_KEY if keys else KEY
    with EmulatorServer(Emulator()) as emulator, pollux(emulator.url, upstream="emulator", keys=keys) as server:
        statuses = [
            chat(server.url, key=key).status,
            chat(server.url, key="", headers={"x-goog-api-key": key}).status,
            chat(server.url, key="", path=f"{CHAT}?key={key}", stream=True).status,
            ask(server.url, "/v1/models", key=key).status,
            chat(server.url, key=key, headers={"x-emulator-fault": "status=500"}).status,
        ]
        journal = ask(emulator.url, "/__emulator/journal", key="").body

    assert statuses == [200, 200, 200, 200, 500]
    assert journal.count(b"generateContent") >= 3
    assert key.encode() not in journal


def test_a_callers_key_is_not_sent_to_the_emulator_either(upstream: FakeUpstream) -> None:
    """Another key stands in its place, the same for one caller and another for another."""
    with pollux(upstream, upstream="emulator") as server:
        for key in (KEY, KEY, KEY + "2"):
            chat(server.url, key=key)
    keys = [request.key for request in upstream.requests]

    assert not any(KEY.encode() in request.bytes for request in upstream.requests)
    assert keys[0] == keys[1] != keys[2]


def test_many_callers_are_told_apart(open_server: Pollux, upstream: FakeUpstream) -> None:
    """More callers than are kept in memory: each one's own key goes upstream."""
    keys = [f"AIza-caller-{number:04d}" for number in range(40)]
    server_keys = open_server.app.access._known
    server_keys.update({b"filler-%d" % number: server_keys.get(KEY.encode()) for number in range(1020)})  # type: ignore[misc]  # never asked for
    for key in keys:
        chat(open_server.url, key=key)

    assert [request.key for request in upstream.requests] == keys
    assert len(server_keys) <= 1024
