"""What is put on and taken off a native request and its answer: headers, keys, paths, addresses, errors."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.asking import KEY, MODEL, Answer, Pollux, ask, pollux
from tests.server.plumbing import Line, Plumbed
from tests.server.sharing import ALICE, BOB, CALLERS_KEYS, MODES, SERVERS, SERVERS_KEY, mode

GENERATE = f"/v1beta/models/{MODEL}:generateContent"
UPLOAD = "/upload/v1beta/files"
START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}


def plainly(line: Line) -> None:
    """Answer with an empty object."""
    _whole(line)
    line.answer()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Plumbed]:
    """Run a bare upstream for all tests of this file."""
    with Plumbed(plainly) as upstream:
        yield upstream


@pytest.fixture(autouse=True)
def fresh(upstream: Plumbed) -> None:
    """Forget what came, and answer plainly again."""
    upstream.lines.clear()
    upstream.handler = plainly


@pytest.fixture(scope="module")
def server(upstream: Plumbed) -> Iterator[Pollux]:
    """Run the server, with callers' own keys."""
    with pollux(upstream.url) as server:
        yield server


@pytest.fixture(scope="module")
def shared(upstream: Plumbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """Run the server, with its own key."""
    with mode(SERVERS, upstream.url, tmp_path_factory.mktemp("data"), secret="of the tests") as server:
        yield server


def native(server: Pollux, path: str, key: str = KEY, **given: object) -> Answer:
    """Ask as Google's clients do."""
    headers = {"x-goog-api-key": key} | given.pop("headers", {})  # type: ignore[operator] # a dict in these tests
    return ask(server.url, path, headers=headers, key="", **given)  # type: ignore[arg-type] # as `ask` takes them


def test_a_request_goes_on_without_what_is_the_connections_or_the_callers(server: Pollux, upstream: Plumbed) -> None:
    """Hop-by-hop headers, those that Connection names, other keys, cookies and the caller's place stay here."""
    native(
        server,
        GENERATE,
        body=b"{}",
        headers={
            "connection": "keep-alive, X-Mine-Alone, content-length",
            "x-mine-alone": "1",
            "te": "trailers",
            "proxy-authorization": "Basic eDp5",
            "cookie": "session=1",
            "x-forwarded-for": "10.0.0.1",
            "forwarded": "for=10.0.0.1",
            "origin": server.url,
            "sec-fetch-mode": "cors",
            "x-emulator-fault": "status=503",
            "expect": "100-continue",
            "x-server-timeout": "30",
            "x-goog-api-client": "google-genai-sdk/3.4.0",
            "user-agent": "a caller's",
        },
    )
    sent = upstream.lines[0].headers

    assert sent.keys() <= {
        "host",
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
        "x-server-timeout",
    }
    assert sent["x-server-timeout"] == "30"
    assert sent["user-agent"] == "a caller's"
    assert sent["x-goog-api-key"] == KEY
    assert sent["content-length"] == "2"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (f"?key={KEY}", {}),
        (f"?pageSize=5&key={KEY}&x=%20y", {}),
        (f"?%6Bey={KEY}&key={KEY}", {}),
        ("", {"x-goog-api-key": KEY}),
        ("", {"authorization": f"Bearer {KEY}"}),
    ],
)
def test_the_key_goes_up_in_one_header(server: Pollux, upstream: Plumbed, query: str, headers: dict[str, str]) -> None:
    """However it came; never in a URL."""
    answer = ask(server.url, "/v1beta/models" + query, headers=headers, key="")
    line = upstream.lines[0]

    assert answer.status == 200
    assert line.headers["x-goog-api-key"] == KEY
    assert line.head.count(KEY.encode()) == 1
    assert "authorization" not in line.headers
    assert line.target == "/v1beta/models" + ("?pageSize=5&x=%20y" if "pageSize" in query else "")


def test_the_servers_key_goes_up_in_place_of_the_callers(shared: Pollux, upstream: Plumbed) -> None:
    """A Pollux key never goes upstream."""
    native(shared, GENERATE, ALICE, body=b"{}")
    line = upstream.lines[0]

    assert line.headers["x-goog-api-key"] == SERVERS_KEY
    assert ALICE.encode() not in line.head


def test_an_answer_comes_back_without_what_is_the_upstreams(server: Pollux, upstream: Plumbed) -> None:
    """Its cookies, its connection, its name and promises about its host stay there."""

    def handler(line: Line) -> None:
        line.answer(
            200,
            b'{"a": 1}',
            "set-cookie: NID=1",
            "server: ESF",
            "alt-svc: h3",
            "strict-transport-security: max-age=1",
            "access-control-allow-origin: https://google.example",
            "connection: x-hop",
            "x-hop: 1",
            "x-request-id: theirs",
            "server-timing: gfet4t7; dur=12",
            "etag: abc",
        )

    upstream.handler = handler
    answer = native(server, "/v1beta/models")

    assert answer.body == b'{"a": 1}'
    assert answer.headers.keys() == {
        "content-length",
        "content-type",
        "date",
        "etag",
        "server-timing",
        "x-content-type-options",
        "x-request-id",
    }
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/v1beta//models/", "/v1beta/models"),
        (f"/v1beta/models/models%2F{MODEL}", f"/v1beta/models/{MODEL}"),
        (f"/v1/models/{MODEL}:countTokens", f"/v1/models/{MODEL}:countTokens"),
        ("/v1/cachedContents/abc", "/v1/cachedContents/abc"),
        ("/v1alpha/files/%C3%A4", "/v1alpha/files/%C3%A4"),
        ("/download/v1beta/files/abc:download?alt=media", "/download/v1beta/files/abc:download?alt=media"),
        ("/v1beta/fileSearchStores/a/upload/operations/b", "/v1beta/fileSearchStores/a/upload/operations/b"),
    ],
)
def test_a_path_goes_on_in_one_spelling(server: Pollux, upstream: Plumbed, asked: str, sent: str) -> None:
    """What is judged is what is sent."""
    native(server, asked)

    assert [line.target for line in upstream.lines] == [sent]


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/files/../models",
        "/v1beta/files/%2e%2e/models",
        "/v1beta/files/a%252f..",
        "/v1beta/files/a%5cb",
        "/v1beta/files/a%00b",
        "/v1beta/files/a%0d%0aHost:%20evil",
        "/v1beta/files/a%3fkey=b",
        "/v1beta/files/a%23b",
        "/v1beta/a:b/c",
        "/upload/v2/files",
        "/upload/files",
        "/download/v1beta/",
    ],
)
def test_what_is_no_native_path_goes_nowhere(server: Pollux, upstream: Plumbed, path: str) -> None:
    """Dot segments, encoded signs and control characters could mean one thing here and another there."""
    answer = native(server, path)

    assert answer.status == 404
    assert answer.json["error"]["status"] == "NOT_FOUND"
    assert upstream.lines == []


@pytest.mark.parametrize(
    ("path", "key", "body", "status", "name"),
    [
        ("/v1beta/files", "", None, 401, "UNAUTHENTICATED"),
        ("/v1beta/files", "AIza-of-nobody-0123456789", None, 401, "UNAUTHENTICATED"),
        ("/v1beta/nothing/at/all", ALICE, None, 404, "NOT_FOUND"),
        (GENERATE, ALICE, b"x" * 2000, 413, "INVALID_ARGUMENT"),
        (GENERATE, ALICE, b"not json", 400, "INVALID_ARGUMENT"),
        ("/v1alpha/auth_tokens", ALICE, b"{}", 404, "NOT_FOUND"),
    ],
)
def test_errors_of_ours_are_told_in_googles_form(
    upstream: Plumbed, tmp_path: Path, path: str, key: str, body: bytes | None, status: int, name: str
) -> None:
    """Google's clients read `error.status`."""
    with mode(SERVERS, upstream.url, tmp_path, body_bytes_max=1000) as server:
        answer = native(server, path, key, body=body)

    assert answer.status == status
    assert answer.json["error"].keys() == {"code", "message", "status"}
    assert answer.json["error"]["code"] == status
    assert answer.json["error"]["status"] == name
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_full_server_says_so_in_googles_form(upstream: Plumbed) -> None:
    """503, with the time to wait in the header and in the details."""
    with pollux(upstream.url, in_flight_max=1) as server:
        server.app.in_flight.enter("somebody")
        answer = native(server, GENERATE, body=b"{}")
        server.app.in_flight.leave("somebody")

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["error"]["status"] == "UNAVAILABLE"
    assert answer.json["error"]["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]


def test_an_upstream_that_is_away_or_silent_is_told_in_googles_form(upstream: Plumbed) -> None:
    """502 and 504."""
    upstream.handler = lambda _line: time.sleep(1)
    with pollux("http://127.0.0.1:9") as away, pollux(upstream.url, first_byte_seconds=0.3) as slow:
        answers = [native(away, "/v1beta/files"), native(slow, "/v1beta/files")]

    assert [answer.status for answer in answers] == [502, 504]
    assert [answer.json["error"]["status"] for answer in answers] == ["UNAVAILABLE", "DEADLINE_EXCEEDED"]


def test_errors_of_the_upstream_come_back_as_they_are(server: Pollux, upstream: Plumbed) -> None:
    """Byte by byte, with their status."""
    upstream.handler = lambda line: line.answer(429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[]}}')
    answer = native(server, "/v1beta/files")

    assert answer.status == 429
    assert answer.body == b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[]}}'


def test_the_servers_key_is_not_told_in_an_error(shared: Pollux, upstream: Plumbed) -> None:
    """A recorded error holds the key in its DebugInfo."""
    upstream.handler = lambda line: line.answer(500, b'{"error":{"code":500,"message":"%b"}}' % SERVERS_KEY.encode())
    answer = native(shared, GENERATE, ALICE, body=b"{}")

    assert answer.status == 500
    assert SERVERS_KEY.encode() not in answer.body


def test_the_refusal_of_the_servers_key_is_not_blamed_on_the_caller(shared: Pollux, upstream: Plumbed) -> None:
    """It is the operator's to mend: 502."""
    error = b'{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT",'
    error += b'"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}'
    upstream.handler = lambda line: line.answer(400, error)
    answer = native(shared, GENERATE, ALICE, body=b"{}")

    assert answer.status == 502
    assert "pollux doctor" in answer.json["error"]["message"]


@pytest.mark.parametrize("key_mode", MODES)
def test_a_redirect_is_passed_on_to_ourselves(upstream: Plumbed, tmp_path: Path, key_mode: str) -> None:
    """The download's second step comes here again, and carries no key in its address; nothing is followed here."""

    def handler(line: Line) -> None:
        there = f"{upstream.url}/download/v1beta/files/abc:download?alt=media&key={line.headers['x-goog-api-key']}"
        line.answer(302, b"", f"location: {there}")

    upstream.handler = handler
    with mode(key_mode, upstream.url, tmp_path) as server:
        if server.app.owned is not None:
            server.app.owned._names._execute(  # type: ignore[attr-defined] # SQLite's
                "INSERT INTO name (name, owner, noted_at) VALUES ('files/abc', 'alice', 1e12)", [()]
            )
        answer = native(server, "/v1beta/files/abc:download?alt=media", ALICE)

    assert answer.status == 302
    assert answer.headers["location"] == f"{server.url}/download/v1beta/files/abc:download?alt=media"
    assert len(upstream.lines) == 1


def test_a_redirect_to_a_foreign_host_carries_no_key(server: Pollux, upstream: Plumbed) -> None:
    """It is passed on without one, and nothing of ours goes there."""

    def foreign(line: Line) -> None:
        line.answer()

    with Plumbed(foreign) as elsewhere:
        upstream.handler = lambda line: line.answer(302, b"", f"location: {elsewhere.url}/bytes?a=1&key={KEY}&b=2")
        answer = native(server, "/v1beta/files/abc:download?alt=media")

    assert answer.headers["location"] == f"{elsewhere.url}/bytes?a=1&b=2"
    assert elsewhere.lines == []


def test_upload_addresses_are_ours_and_opaque(server: Pollux, upstream: Plumbed) -> None:
    """Neither the upstream's host nor its upload id are told."""
    url = _started(server, upstream)

    assert url.startswith(f"{server.url}{UPLOAD}?upload_id=")
    assert "theirs-and-secret" not in url
    assert upstream.url.rpartition(":")[2] not in url


def test_pieces_of_an_upload_go_to_the_true_address(server: Pollux, upstream: Plumbed) -> None:
    """With the caller's key or without any, since the native address needs none; answered as the upstream answers."""
    url = _started(server, upstream)

    def handler(line: Line) -> None:
        _whole(line)
        line.answer(200, b'{"file": {}}', "x-goog-upload-status: final")

    upstream.handler = handler
    path = url.removeprefix(server.url)
    pieces = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    answers = [
        ask(server.url, path, body=b"abc", headers=pieces, key=""),
        native(server, path, body=b"abc", headers=pieces),
    ]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].headers["x-goog-upload-status"] == "final"
    assert [line.target for line in upstream.lines[-2:]] == ["/resumable/v1beta/files?upload_id=theirs-and-secret"] * 2
    assert upstream.lines[-1].headers["x-goog-upload-command"] == "upload, finalize"
    assert "x-goog-api-key" not in upstream.lines[-2].headers


def test_an_upload_goes_on_after_a_restart_and_on_another_replica(server: Pollux, upstream: Plumbed) -> None:
    """Whoever has the secret opens the id; whoever has not, does not."""
    path = _started(server, upstream).removeprefix(server.url)
    upstream.handler = plainly
    with pollux(upstream.url, secret="of the tests") as same, pollux(upstream.url, secret="another") as other:
        answers = [native(same, path, body=b"abc"), native(other, path, body=b"abc")]

    assert [answer.status for answer in answers] == [200, 404]


@pytest.mark.parametrize("odd", ["foreign", "changed", "cut", "raw", "empty bytes", "not base64"])
def test_an_upload_id_that_is_not_the_callers_is_an_unknown_one(server: Pollux, upstream: Plumbed, odd: str) -> None:
    """Another caller's, a forged one and the upstream's own: the same answer, and nothing goes upstream."""
    path = _started(server, upstream).removeprefix(server.url)
    sealed = path.partition("upload_id=")[2].partition("&")[0]
    forged = {
        "changed": sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BB"),
        "cut": sealed[:20],
        "raw": "theirs-and-secret",
        "empty bytes": "AAAA",
        "not base64": "%C3%A4%20",
    }
    upstream.lines.clear()
    key = BOB if odd == "foreign" else KEY
    answer = native(server, path.replace(sealed, forged.get(odd, sealed)), key, body=b"abc")

    assert answer.status == 404
    assert answer.json["error"]["message"] == "Requested entity was not found."
    assert upstream.lines == []


def test_a_piece_goes_to_a_foreign_address_without_the_key(server: Pollux, upstream: Plumbed) -> None:
    """If the service should ever name another host for the bytes, it gets the bytes alone."""
    with Plumbed(plainly) as elsewhere:
        path = _started(server, upstream, there=f"{elsewhere.url}/bytes?upload_id=1").removeprefix(server.url)
        native(server, path, body=b"abc")

    assert [line.target for line in elsewhere.lines] == ["/bytes?upload_id=1"]
    assert "x-goog-api-key" not in elsewhere.lines[0].headers


def test_the_owner_filter_sees_what_is_asked_and_what_comes(shared: Pollux, upstream: Plumbed) -> None:
    """What would change the method or the form of an answer is taken away while callers share a key."""
    native(
        shared,
        "/v1beta/cachedContents?$httpMethod=GET&%24fields=x&alt=json&alt=proto&pageSize=3&access_token=t",
        ALICE,
        body=b'{"ttl": "1s", "ttl": "2s"}',
        headers={"x-http-method-override": "GET", "x-goog-fieldmask": "a", "content-type": "application/x-protobuf"},
    )
    line = upstream.lines[0]

    assert line.target == "/v1beta/cachedContents?pageSize=3"
    assert line.headers.keys().isdisjoint({"x-http-method-override", "x-goog-fieldmask"})
    assert line.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_web_page_cannot_spend_the_servers_key_on_native_paths(upstream: Plumbed, tmp_path: Path, name: str) -> None:
    """Nor read what it made; in Google's form."""
    value = {"Host": "rebound.example", "Origin": "https://page.example"}[name]
    with pollux(upstream.url, gemini_api_key=SERVERS_KEY, data_dir=str(tmp_path)) as server:
        answers = [ask(server.url, path, headers={name: value}, key="") for path in ("/v1beta/files", f"{UPLOAD}?upload_id=x")]

    assert [answer.status for answer in answers] == [403, 403]
    assert {answer.json["error"]["status"] for answer in answers} == {"PERMISSION_DENIED"}
    assert upstream.lines == []


@pytest.mark.parametrize("key_mode", MODES)
def test_no_key_is_logged(upstream: Plumbed, tmp_path: Path, key_mode: str) -> None:
    """Nor any address of an upload."""
    with mode(key_mode, upstream.url, tmp_path) as server:
        for path in (f"/v1beta/models?key={ALICE}", f"/v1beta/files/x?key={ALICE}", f"{UPLOAD}?upload_id=x&key={ALICE}"):
            ask(server.url, path, key="")
        logged = "\n".join(server.logged)

    assert ALICE not in logged
    assert SERVERS_KEY not in logged


def test_two_lengths_or_two_framings_are_refused(server: Pollux, upstream: Plumbed) -> None:
    """A request that two readers could read differently never reaches the second."""
    fields = [("x-goog-api-key", KEY), ("content-length", "2"), ("transfer-encoding", "chunked")]
    answer = ask(server.url, GENERATE, body=[b"{}"], headers=fields, key="")

    assert answer.status == 400
    assert upstream.lines == []


def test_downloads_are_attachments(server: Pollux, upstream: Plumbed) -> None:
    """Never a page of our origin."""
    upstream.handler = lambda line: line.answer(200, b"<script>", "content-type: text/html", "content-disposition: inline")
    answer = native(server, "/download/v1beta/files/abc:download?alt=media")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment"


def test_there_is_no_owner_filter_with_callers_keys(server: Pollux, upstream: Plumbed) -> None:
    """Google keeps them apart: nothing is looked at, nothing is noted."""
    answer = native(server, GENERATE, body=b"not even json")

    assert answer.status == 200
    assert server.app.owned is None
    assert CALLERS_KEYS in MODES


def _started(server: Pollux, upstream: Plumbed, there: str = "") -> str:
    """Start an upload, and give the address for its pieces."""
    there = there or f"{upstream.url}/resumable/v1beta/files?upload_id=theirs-and-secret"
    upstream.handler = lambda line: line.answer(200, b"", f"x-goog-upload-url: {there}", f"X-Goog-Upload-Control-URL: {there}")
    answer = native(server, UPLOAD, body=b"{}", headers=START)

    assert answer.headers["x-goog-upload-url"] == answer.headers["x-goog-upload-control-url"]
    return answer.headers["x-goog-upload-url"]


def _whole(line: Line) -> bytes:
    """Read the body."""
    length = int(line.headers.get("content-length", "0"))
    data = b""
    while len(data) < length:
        piece = line.some()
        if not piece:
            break
        data += piece
    return data
