"""Where things are: the contract's table of routes, as any HTTP caller meets it."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.server.asking import CHAT, KEY, MESSAGES, MODEL, SECONDS, Pollux, ask, chat, pollux
from tests.server.fake import FakeUpstream, answering, error_reply, plainly

BASES = ("/v1", "/v1beta/openai")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """An upstream that answers plainly."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream) -> Iterator[Pollux]:
    """A server with callers' keys."""
    with pollux(upstream) as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1beta/openai/chat/completions",
        "/v1beta/chat/completions",
        "/v1/chat/completions/",
        "//v1///chat//completions//",
        "/v1beta/openai//chat/completions",
        "/v1/chat%2Fcompletions",
        "/v1/chat/completions?api-version=1",
    ],
)
def test_a_completion_is_asked_for_by_these_paths(server: Pollux, path: str) -> None:
    """The bases, the guide's bare path, trailing and doubled slashes, and percent-encoding lead to the same thing."""
    answer = chat(server.url, path=path)

    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Hello there."


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("tail", ["/models", "/models/", "//models"])
def test_models_are_listed_by_these_paths(server: Pollux, base: str, tail: str) -> None:
    """The list has OpenAI's form, on both bases."""
    answer = ask(server.url, base + tail)

    assert answer.status == 200
    assert answer.json["object"] == "list"
    assert {(model["object"], model["owned_by"]) for model in answer.json["data"]} == {("model", "google")}
    assert MODEL in {model["id"] for model in answer.json["data"]}
    assert all(type(model["created"]) is int for model in answer.json["data"])


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", [MODEL, f"models/{MODEL}", f"models%2F{MODEL}", f"{MODEL}/", MODEL.replace("-", "%2D")])
def test_one_model_is_found_by_these_names(server: Pollux, base: str, name: str) -> None:
    """With and without `models/`, percent-encoded or not."""
    answer = ask(server.url, f"{base}/models/{name}")

    assert answer.status == 200
    assert answer.json["id"] == MODEL


def test_an_unknown_model_is_not_found_by_its_name(server: Pollux) -> None:
    """The upstream's 404 keeps its meaning."""
    answer = ask(server.url, "/v1/models/gemini-none")

    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1beta/openai",
        "/v1beta/openai/assistants",
        "/favicon.ico",
        "/%00",
        "/v1/../etc",
        "/%E0%B9%84%0A",
    ],
)
def test_an_unknown_path_is_a_404_in_openais_form(server: Pollux, path: str) -> None:
    """Never HTML, whatever the path."""
    answer = ask(server.url, path)

    assert answer.status == 404
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("PATCH", "/v1beta/openai/chat/completions", "POST"),
        ("OPTIONS", CHAT, "POST"),
        ("HEAD", CHAT, "POST"),
        ("BREW", CHAT, None),
        ("POST", "/v1/models", "GET"),
        ("DELETE", f"/v1/models/{MODEL}", "GET"),
        ("PUT", "/v1beta/chat/completions", "POST"),
        ("POST", "/healthz", "GET"),
    ],
)
def test_another_method_is_a_405_that_names_the_right_one(server: Pollux, method: str, path: str, allowed: str | None) -> None:
    """With `Allow`, and JSON like every error; a method that HTTP does not know is refused before the routes."""
    answer = ask(server.url, path, method=method)

    assert answer.status == (405 if allowed else 400)
    assert answer.headers.get("allow") == allowed
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert (answer.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", f"/v1/models/{MODEL}"])
def test_head_is_get_without_the_body(server: Pollux, path: str) -> None:
    """Status and headers are those of GET."""
    got, head = ask(server.url, path), ask(server.url, path, method="HEAD")

    assert head.status == got.status == 200
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.body == b""


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", f"/v1beta/models/{MODEL}:generateContent", {}),
        ("POST", f"/v1alpha/models/{MODEL}:generateContent", {}),
        ("POST", f"/v1/models/{MODEL}:generateContent", {"authorization": f"Bearer {KEY}"}),
        ("GET", "/v1beta/models", {}),
        ("GET", "/v1beta/nothing", {}),
        ("POST", "/upload/v1beta/files", {}),
        ("GET", "/download/v1beta/files/x", {}),
        ("GET", "/v1/models", {"x-goog-api-key": KEY}),
        ("GET", f"/v1/models/{MODEL}", {"x-goog-api-key": KEY}),
        ("GET", f"/v1/models?pageSize=1&key={KEY}", {}),
    ],
)
def test_native_paths_are_passed_on_as_they_are(
    server: Pollux, upstream: FakeUpstream, method: str, path: str, headers: dict[str, str]
) -> None:
    """On /v1 the way of authenticating says who speaks; what is native reaches the upstream under the same path."""
    upstream.reset()
    upstream.then(answering(404, error_reply(404, "as it is", "NOT_FOUND")))
    key = "" if "key=" in path else KEY
    answer = ask(server.url, path, method=method, headers=headers, key=key)
    upstream.then(plainly)

    assert answer.status == 404
    assert answer.json["error"] == {"code": 404, "message": "as it is", "status": "NOT_FOUND"}
    assert answer.headers["x-request-id"].startswith("req_")
    assert [request.target for request in upstream.requests] == [path.replace(f"&key={KEY}", "")]
    assert upstream.requests[0].key == KEY


@pytest.mark.parametrize("path", [f"/v1beta/models/{MODEL}:generateContent", f"/v1/models/{MODEL}:countTokens"])
def test_a_native_path_without_a_key_is_refused_in_googles_form(server: Pollux, path: str) -> None:
    """Google's clients read `error.status`."""
    answer = ask(server.url, path, method="POST", key="")

    assert answer.status == 401
    assert answer.json["error"]["status"] == "UNAUTHENTICATED"
    assert answer.json["error"]["code"] == 401


@pytest.mark.parametrize("headers", [{"x-goog-api-key": "other"}, {}])
def test_on_v1_a_bearer_speaks_openais_protocol(server: Pollux, headers: dict[str, str]) -> None:
    """Whatever native key stands beside it."""
    answer = ask(server.url, "/v1/models?key=other", headers=headers | {"authorization": f"Bearer {KEY}"})

    assert answer.status == 200
    assert answer.json["object"] == "list"


def test_a_query_that_only_ends_in_key_is_not_a_native_key(server: Pollux) -> None:
    """`?monkey=` says nothing about who speaks; the answer is OpenAI's 401."""
    answer = ask(server.url, "/v1/models?monkey=1", key="")

    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/models", CHAT])
def test_a_websocket_upgrade_is_refused(server: Pollux, path: str) -> None:
    """No 101: the request is answered as the plain one it also is."""
    offer = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }
    answer = ask(server.url, path, headers=offer)

    assert answer.status == {"/v1/realtime": 404, "/v1/models": 200, CHAT: 405}[path]
    assert "upgrade" not in answer.headers
    assert answer.headers["content-type"] == "application/json"


def test_every_request_has_an_id_of_its_own(server: Pollux) -> None:
    """Good answers, errors, preflights and what the HTTP protocol refuses carry `x-request-id`, each another."""
    preflight = {"origin": "https://page.example", "access-control-request-method": "POST"}
    answers = [
        chat(server.url),
        chat(server.url, stream=True),
        chat(server.url, key=""),
        chat(server.url, messages=[]),
        ask(server.url, "/none"),
        ask(server.url, CHAT, method="OPTIONS", headers=preflight),
        ask(server.url, "/healthz"),
        ask(server.url, CHAT, body=b"{", headers={"x-long": "x" * 70_000}),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]

    assert [answer.status for answer in answers] == [200, 200, 401, 400, 404, 204, 200, 431]
    assert len(set(ids)) == len(ids)


def test_answers_from_the_emulator_say_so(upstream: FakeUpstream) -> None:
    """`x-pollux-upstream: emulator` on good answers, streams, errors and preflights; never otherwise."""
    with pollux(upstream, upstream="emulator") as emulated:
        answers = [
            chat(emulated.url),
            chat(emulated.url, stream=True),
            chat(emulated.url, messages=[]),
            ask(emulated.url, "/none"),
            ask(emulated.url, "/v1/models"),
            ask(emulated.url, "/v1beta/models"),
        ]
    with pollux(upstream) as real:
        plain = chat(real.url)

    assert [answer.headers.get("x-pollux-upstream") for answer in answers] == ["emulator"] * len(answers)
    assert "x-pollux-upstream" not in plain.headers


PREFLIGHT = {
    "origin": "https://page.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-arch,x-stainless-retry-count",
}


@pytest.mark.parametrize("path", [CHAT, "/v1beta/openai/models", f"/v1/models/{MODEL}", "/v1beta/chat/completions"])
def test_a_browser_may_ask_before_it_calls(server: Pollux, path: str) -> None:
    """A preflight carries no key, and allows the method and every header that it asks for."""
    answer = ask(server.url, path, method="OPTIONS", headers=PREFLIGHT, key="")
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] in {"*", PREFLIGHT["origin"]}
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert allowed == set(PREFLIGHT["access-control-request-headers"].split(","))
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.body == b""


@pytest.mark.parametrize("messages", [MESSAGES, []])
def test_a_browser_may_read_answers_and_errors(server: Pollux, messages: list[object]) -> None:
    """Also an error's headers: the request id and those that say when to come back."""
    answer = chat(server.url, messages=messages, headers={"origin": "https://page.example", "authorization": f"Bearer {KEY}"})
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}

    assert answer.status == (200 if messages else 400)
    assert answer.headers["access-control-allow-origin"] in {"*", "https://page.example"}
    assert exposed >= {"x-request-id", "retry-after", "retry-after-ms", "x-should-retry"}


def test_only_the_origins_of_the_setting_may_read(upstream: FakeUpstream) -> None:
    """One origin named: it gets the headers, another gets none, and caches are told that it matters."""
    with pollux(upstream, cors_origins="https://page.example, https://other.example") as named:
        good = [
            ask(named.url, CHAT, method="OPTIONS", headers=PREFLIGHT, key=""),
            chat(named.url, headers=[("origin", "https://page.example"), ("authorization", f"Bearer {KEY}")]),
        ]
        bad = [
            ask(named.url, CHAT, method="OPTIONS", headers=PREFLIGHT | {"origin": origin}, key="")
            for origin in ("https://page.example.evil.example", "null", "http://page.example", "*")
        ]

    assert {answer.headers["access-control-allow-origin"] for answer in good} == {"https://page.example"}
    assert "origin" in good[1].headers["vary"].lower()
    assert [name for answer in bad for name in answer.headers if name.startswith("access-control-")] == []


def test_answers_to_pipelined_requests_keep_their_order(server: Pollux) -> None:
    """Two requests in one packet: two answers, one after the other, on one connection."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        host = f"Host: {parts.netloc}\r\n"
        connection.sendall(f"GET /healthz HTTP/1.1\r\n{host}\r\nGET /none HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece

    assert received.count(b"HTTP/1.1 ") == 2
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 404")
