"""With the server's key: what one caller made is, for another, what nobody ever made, on every route and in every use."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import types

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import MODEL, Answer, Pollux, ask
from tests.server.plumbing import Line, Plumbed
from tests.server.sharing import ALICE, BOB, MODES, SERVERS, client, mode

GENERATE = f"/v1beta/models/{MODEL}:generateContent"
HOST = "generativelanguage.googleapis.com"
GOOGLE = f"https://{HOST}/v1beta"

MADE = {
    "files": "abc-123",
    "cachedContents": "abc123",
    "batches": "abc123",
    "interactions": "v1_abc123",
    "fileSearchStores": "store-abc",
    "operations": "op-abc",
    "tunedModels": "tuned-abc",
    "agents": "agent-abc",
}
NEVER = {collection: "never" + name[5:] for collection, name in MADE.items()}

ROUTES = [
    ("GET", "files/{}"),
    ("DELETE", "files/{}"),
    ("GET", "files/{}:download?alt=media"),
    ("GET", "/download/v1beta/files/{}:download?alt=media"),
    ("GET", "cachedContents/{}"),
    ("PATCH", "cachedContents/{}"),
    ("DELETE", "cachedContents/{}"),
    ("GET", "batches/{}"),
    ("DELETE", "batches/{}"),
    ("POST", "batches/{}:cancel"),
    ("PATCH", "batches/{}:updateGenerateContentBatch"),
    ("GET", "interactions/{}"),
    ("DELETE", "interactions/{}"),
    ("POST", "interactions/{}/cancel"),
    ("GET", "fileSearchStores/{}"),
    ("DELETE", "fileSearchStores/{}?force=true"),
    ("POST", "fileSearchStores/{}:importFile"),
    ("GET", "fileSearchStores/{}/documents"),
    ("GET", "fileSearchStores/{}/documents/d"),
    ("DELETE", "fileSearchStores/{}/documents/d"),
    ("GET", "fileSearchStores/{}/operations/o"),
    ("GET", "fileSearchStores/{}/upload/operations/o"),
    ("POST", "/upload/v1beta/fileSearchStores/{}:uploadToFileSearchStore"),
    ("GET", "operations/{}"),
    ("POST", "tunedModels/{}:generateContent"),
    ("GET", "agents/{}"),
]
"""A method and a path; `{}` is the id. What begins with a slash is the whole path, else it lies below /v1beta."""


def parts(uri: str) -> dict[str, Any]:
    """Make a request with one file."""
    return {"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]}


BATCH = f"/v1beta/models/{MODEL}:batchGenerateContent"
USES: list[tuple[str, str, Any]] = [
    ("files", GENERATE, parts(f"https://{HOST}/v1beta/files/$")),
    ("files", GENERATE, parts("files/$")),
    ("files", GENERATE, parts(f"https://{HOST}:443/v1/files/$")),
    ("files", GENERATE, parts(f"https://{HOST}/v1beta/%66iles/$")),
    ("files", GENERATE, parts(f"//{HOST}/v1beta/files/$")),
    ("files", GENERATE, parts(f"https://{HOST}/v1beta/files/$:download?alt=media")),
    ("files", GENERATE, {"contents": [{"parts": [{"file_data": {"file_uri": "files/$"}}]}]}),
    ("files", GENERATE, {"contents": [{"parts": [{"functionResponse": parts("files/$")["contents"][0] | {"response": {}}}]}]}),
    ("files", GENERATE, {"systemInstruction": parts("files/$")["contents"][0], "contents": []}),
    ("files", "/v1beta/cachedContents", {"model": "m"} | parts("files/$")),
    ("files", BATCH, {"batch": {"inputConfig": {"fileName": "files/$"}}}),
    ("files", f"/v1beta/models/{MODEL}:asyncBatchEmbedContent", {"batch": {"input_config": {"file_name": "files/$"}}}),
    ("files", BATCH, {"batch": {"inputConfig": {"requests": {"requests": [{"request": parts("files/$")}]}}}}),
    ("files", "/v1beta/interactions", {"input": [{"type": "document", "uri": f"https://{HOST}/v1beta/files/$"}]}),
    ("cachedContents", GENERATE, {"cachedContent": "cachedContents/$", "contents": []}),
    ("cachedContents", GENERATE, {"cached_content": "cachedContents/$", "contents": []}),
    ("cachedContents", f"/v1/models/{MODEL}:streamGenerateContent?alt=sse", {"cachedContent": "cachedContents/$"}),
    ("cachedContents", f"/v1/models/{MODEL}:countTokens", {"generateContentRequest": {"cachedContent": "cachedContents/$"}}),
    ("cachedContents", BATCH, {"batch": {"inputConfig": {"requests": [{"cachedContent": "cachedContents/$"}]}}}),
    ("interactions", "/v1beta/interactions", {"previous_interaction_id": "$", "input": "go on"}),
    ("fileSearchStores", GENERATE, {"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/$"]}}]}),
    ("agents", "/v1beta/interactions", {"agent": "agents/$", "input": "hello"}),
]


def service(line: Line) -> None:
    """Answer as a service that has everything: a creation makes `MADE`, a list lists it and more, all else is fine."""
    method, target = line.head.decode().split(" ")[:2]
    path = target.partition("?")[0].rpartition("/v1beta/")[2]
    body = line.some() if int(line.headers.get("content-length", "0")) else b""
    collection = path.partition("/")[0].partition(":")[0]
    if path.endswith(":batchGenerateContent"):
        collection = "batches"
    name = f"{collection}/{MADE.get(collection, '')}"
    if method == "POST" and "/upload/" in target:
        answer: Any = {"file": {"name": name, "uri": f"{GOOGLE}/{name}"}}
    elif method == "POST" and path == "interactions":
        answer = {"id": MADE["interactions"], "object": "interaction"}
    elif method == "POST":
        answer = {"name": name, "echo": len(body)}
    elif method == "GET" and path in MADE:
        answer = {path: [{"name": f"{path}/of-somebody"}, {"name": name}, {"odd": 1}], "other": [{"name": "x/y"}]}
    else:
        answer = {"name": name} if method == "GET" else {}
    line.answer(200, msgspec.json.encode(answer))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Plumbed]:
    """Run the service that has everything."""
    with Plumbed(service) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(upstream: Plumbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """Run the server with its own key, after Alice has made one of everything."""
    with mode(SERVERS, upstream.url, tmp_path_factory.mktemp("data")) as server:
        for collection in MADE:
            path = "/upload/v1beta/files" if collection == "files" else f"/v1beta/{collection}"
            if collection == "batches":
                path = f"/v1beta/models/{MODEL}:batchGenerateContent"
            assert native(server, "POST", path, ALICE, {}).status == 200
        yield server


@pytest.fixture
def standing(server: Pollux) -> Pollux:
    """Give the server of this file, which hears all that is logged."""
    return server


def native(server: Pollux, method: str, path: str, key: str, body: Any = None) -> Answer:
    """Ask as Google's clients do."""
    encoded = None if method in {"GET", "DELETE"} else msgspec.json.encode(body if body is not None else {})
    return ask(server.url, path, method=method, headers={"x-goog-api-key": key}, key="", body=encoded)


def said(answer: Answer, name: str) -> tuple[int, bytes, list[str]]:
    """Give all that an answer says, but for the id that was asked for and what differs between any two answers."""
    headers = sorted(name for name in answer.headers if name not in {"connection", "date", "x-request-id"})
    return answer.status, answer.body.replace(name.encode(), b"$"), headers


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_what_another_made_is_unknown_on_every_route(server: Pollux, upstream: Plumbed, method: str, route: str) -> None:
    """Bob gets the same for Alice's id and for one of nobody; Alice gets hers; nothing of Bob's reaches the service."""
    collection = next(name for name in MADE if name in route)
    path = route if route.startswith("/") else f"/v1beta/{route}"
    upstream.lines.clear()
    foreign = native(server, method, path.format(MADE[collection]), BOB)
    unknown = native(server, method, path.format(NEVER[collection]), BOB)
    reached = len(upstream.lines)
    own = None if method == "DELETE" else native(server, method, path.format(MADE[collection]), ALICE)

    assert said(foreign, MADE[collection]) == said(unknown, NEVER[collection])
    assert foreign.status == (403 if collection in {"files", "cachedContents"} else 404)
    assert reached == 0
    assert own is None or own.status == 200


@pytest.mark.parametrize(("collection", "path", "body"), USES)
def test_what_another_made_is_unknown_in_every_use(
    server: Pollux, upstream: Plumbed, collection: str, path: str, body: Any
) -> None:
    """However it is named in a request's body; Alice may use it."""
    text = msgspec.json.encode(body).decode()
    upstream.lines.clear()
    foreign, unknown = (
        native(server, "POST", path, BOB, msgspec.json.decode(text.replace("$", name[collection]))) for name in (MADE, NEVER)
    )
    reached = len(upstream.lines)
    own = native(server, "POST", path, ALICE, msgspec.json.decode(text.replace("$", MADE[collection])))

    assert said(foreign, MADE[collection]) == said(unknown, NEVER[collection])
    assert foreign.status in {403, 404}
    assert reached == 0
    assert own.status == 200


@pytest.mark.parametrize(
    "part",
    [
        {"text": "files/abc-123"},
        {"text": "see https://generativelanguage.googleapis.com/v1beta/files/abc-123"},
        {"fileData": {"fileUri": "https://www.youtube.com/watch?v=abc"}},
        {"fileData": {"fileUri": "https://example.com/files/abc-123"}},
        {"fileData": {"fileUri": "https://storage.googleapis.com/bucket/files/abc-123"}},
        {"fileData": {"fileUri": "gs://bucket/files/abc-123"}},
        {"functionCall": {"name": "f", "args": {"fileName": "files/abc-123", "uri": "files/abc-123"}}},
        {"functionResponse": {"name": "f", "response": {"uri": "files/abc-123"}}},
        {"inlineData": {"mimeType": "text/plain", "data": "files/abc"}},
    ],
)
def test_what_only_looks_like_a_name_is_free(server: Pollux, part: dict[str, Any]) -> None:
    """Texts, other hosts' files, and what functions say among themselves."""
    answer = native(server, "POST", GENERATE, BOB, {"contents": [{"parts": [part]}]})

    assert answer.status == 200


@pytest.mark.parametrize(
    "uri",
    [
        f"{GOOGLE}/files/never/../abc-123",
        f"{GOOGLE}/../v1beta/files/abc-123",
        "http://[::1/files/abc-123",
        "abc-123",
        "files/abc-123 ",
        "FILES/abc-123",
        "files%252Fabc-123",
        "./files/abc-123",
        "files//abc-123",
        "https://evil@generativelanguage.googleapis.com/v1beta/files/abc-123",
        "https://GenerativeLanguage.GoogleAPIs.com/v1beta/files/abc-123",
        "https://generativelanguage.googleapis.com./v1beta/files/abc-123",
    ],
)
def test_odd_spellings_do_not_get_by(server: Pollux, upstream: Plumbed, uri: str) -> None:
    """What cannot be read as a name of the caller's, or as lying elsewhere, is unknown."""
    upstream.lines.clear()
    answer = native(server, "POST", GENERATE, BOB, {"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]})

    assert answer.status == 403
    assert upstream.lines == []


def test_names_in_a_query_are_judged_too(server: Pollux, upstream: Plumbed) -> None:
    """A query may set fields of a request."""
    upstream.lines.clear()
    paths = ("/v1beta/files:batchGet?names=files/{}", "/v1beta/interactions?previous_interaction_id=interactions%2F{}")
    told = [
        [native(server, "GET", path.format(name), BOB).status for path in paths] for name in (MADE["files"], NEVER["files"])
    ]

    assert told == [[403, 404], [403, 404]]
    assert upstream.lines == []


def test_what_is_very_long_is_no_name(server: Pollux) -> None:
    """A foreign address may be long, but not without end, and looking at texts costs nothing."""
    long = "x" * 5_000_000
    foreign = native(server, "POST", GENERATE, BOB, {"odd": f"files/{long}", **parts("https://example.com/?s=" + "y" * 8000)})
    endless = native(server, "POST", GENERATE, BOB, parts(f"https://example.com/?s={long}"))
    many = native(server, "POST", GENERATE, BOB, {"a": [{"fileUri": f"files/{i}"} for i in range(6000)]})

    assert [foreign.status, endless.status, many.status] == [200, 403, 400]


def test_a_name_given_twice_is_read_once(server: Pollux, upstream: Plumbed) -> None:
    """Two readers could choose differently; what was looked at is what is sent."""
    upstream.lines.clear()
    body = b'{"cachedContent": "cachedContents/abc123", "cachedContent": "cachedContents/abc123", "contents": []}'
    refused = ask(server.url, GENERATE, headers={"x-goog-api-key": BOB}, key="", body=body)
    hidden = body.replace(b"cachedContents/abc123", b"", 1).replace(b'"cachedContents/abc123"', b"null")
    passed = ask(server.url, GENERATE, headers={"x-goog-api-key": BOB}, key="", body=hidden)

    assert refused.status == 403
    assert passed.status == 200
    assert [line.headers["content-length"] for line in upstream.lines] == [str(len(b'{"cachedContent":null,"contents":[]}'))]


@pytest.mark.parametrize("collection", [name for name in MADE if name != "operations"])
def test_a_list_holds_ones_own_alone(server: Pollux, collection: str) -> None:
    """And nothing that has no name."""
    alices, bobs = (native(server, "GET", f"/v1beta/{collection}", key).json for key in (ALICE, BOB))

    assert alices == {collection: [{"name": f"{collection}/{MADE[collection]}"}]}
    assert bobs == {}


def test_a_long_list_of_others_is_not_read_to_its_end(tmp_path: Path) -> None:
    """After some pages there is an empty one with a token, and nothing of the others."""

    def handler(line: Line) -> None:
        page = int(line.target.partition("pageToken=")[2] or "0")
        line.answer(200, b'{"files": [{"name": "files/o%d"}], "nextPageToken": "%d"}' % (page, page + 1))

    with Plumbed(handler) as upstream, mode(SERVERS, upstream.url, tmp_path) as server:
        answer = native(server, "GET", "/v1beta/files?pageSize=1", BOB)

    assert answer.json == {"nextPageToken": "50"}
    assert len(upstream.lines) == 50
    assert all("pageSize=1" in line.target for line in upstream.lines)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1beta/widgets"),
        ("POST", "/v1beta/widgets"),
        ("GET", "/v1beta/widgets/1"),
        ("GET", "/v1alpha/openai/files"),
        ("POST", "/v1alpha/openai/chat/completions"),
        ("POST", "/v1alpha/auth_tokens"),
        ("GET", "/v1beta/files/-"),
        ("GET", "/v1beta/fileSearchStores/-/documents"),
        ("GET", f"/v1beta/models/{MODEL}/operations/o"),
        ("POST", f"/v1beta/models/{MODEL}/operations"),
        ("POST", f"/v1beta/models/{MODEL}/other"),
        ("HEAD", "/v1beta/files"),
    ],
)
def test_what_is_not_known_to_be_ones_own_is_unknown(server: Pollux, upstream: Plumbed, method: str, path: str) -> None:
    """Collections of tomorrow, wildcards, operations of models: nothing of it reaches the service."""
    upstream.lines.clear()
    answer = native(server, method, path, BOB)

    assert answer.status in {403, 404, 405}
    assert upstream.lines == []


def test_a_deleted_name_is_its_next_makers(server: Pollux) -> None:
    """Alice deletes; Bob makes one of the same name; now it is his."""
    for key, method, path in (
        (ALICE, "DELETE", f"/v1beta/tunedModels/{MADE['tunedModels']}"),
        (BOB, "POST", "/v1beta/tunedModels"),
    ):
        native(server, method, path, key)
    statuses = [native(server, "GET", f"/v1beta/tunedModels/{MADE['tunedModels']}", key).status for key in (ALICE, BOB)]
    native(server, "POST", "/v1beta/tunedModels", ALICE)

    assert statuses == [404, 200]


def test_owners_survive_a_restart(upstream: Plumbed, tmp_path: Path) -> None:
    """And are seen by every worker of the machine."""
    with mode(SERVERS, upstream.url, tmp_path) as one, mode(SERVERS, upstream.url, tmp_path) as other:
        native(one, "POST", "/v1beta/cachedContents", ALICE)
        seen = native(other, "GET", "/v1beta/cachedContents/abc123", ALICE).status
    with mode(SERVERS, upstream.url, tmp_path) as later:
        kept = [native(later, "GET", "/v1beta/cachedContents/abc123", key).status for key in (ALICE, BOB)]

    assert seen == 200
    assert kept == [200, 403]


def test_a_name_that_cannot_be_kept_is_not_given_out(upstream: Plumbed, tmp_path: Path, standing: Pollux) -> None:
    """Else its maker could never use it: 503, and the log says why."""
    with mode(SERVERS, upstream.url, tmp_path) as server:
        assert server.app.owned is not None
        server.app.owned._names._write.execute("DROP TABLE name")  # type: ignore[attr-defined] # SQLite's
        answer = native(server, "POST", "/v1beta/cachedContents", ALICE)
        server.errors.clear()
        standing.errors.clear()

    assert answer.status == 503
    assert answer.json["error"]["status"] == "UNAVAILABLE"
    assert "abc123" not in answer.body.decode()


def test_an_interaction_that_is_streamed_is_its_makers(tmp_path: Path) -> None:
    """Its id is noted before the event that tells it is passed on."""

    def handler(line: Line) -> None:
        if line.head.startswith(b"POST"):
            line.some()
            event = b'event: interaction.created\ndata: {"event_type":"interaction.created","interaction":{"id":"v1_s"}}\n\n'
            made = b'data: {"event_type":"step.delta","delta":{"type":"video","uri":"%b/files/made"}}\n\n' % GOOGLE.encode()
            line.answer(200, event + made + b"event: done\ndata: [DONE]\n\n", "content-type: text/event-stream")
        else:
            line.answer(200, b'{"name": "x"}')

    with Plumbed(handler) as upstream, mode(SERVERS, upstream.url, tmp_path) as server:
        streamed = native(server, "POST", "/v1beta/interactions?alt=sse", ALICE, {"input": "hello", "stream": True})
        statuses = [
            native(server, "GET", f"/v1beta/{name}", key).status
            for name in ("interactions/v1_s", "files/made")
            for key in (ALICE, BOB)
        ]

    assert streamed.body.endswith(b"[DONE]\n\n")
    assert statuses == [200, 404, 200, 403]


def test_what_a_job_has_made_is_its_makers(tmp_path: Path) -> None:
    """A batch's output file and a video's, told when the job is done."""
    answers = {
        f"/v1beta/models/{MODEL}:batchGenerateContent": {"name": "batches/b", "metadata": {"name": "batches/b"}},
        f"/v1beta/models/{MODEL}:predictLongRunning": {"name": f"models/{MODEL}/operations/o"},
        "/v1beta/batches/b": {"name": "batches/b", "done": True, "response": {"responsesFile": "files/batch-b"}},
        f"/v1beta/models/{MODEL}/operations/o": {
            "name": f"models/{MODEL}/operations/o",
            "response": {"generatedSamples": [{"video": {"uri": f"{GOOGLE}/files/video:download?alt=media"}}]},
        },
    }

    def handler(line: Line) -> None:
        if line.head.startswith(b"POST"):
            line.some()
        line.answer(200, msgspec.json.encode(answers.get(line.target, {})))

    with Plumbed(handler) as upstream, mode(SERVERS, upstream.url, tmp_path) as server:
        before = native(server, "GET", "/v1beta/files/batch-b", ALICE).status
        for method, path in (("POST", path) if ":" in path else ("GET", path) for path in answers):
            assert native(server, method, path, ALICE).status == 200
        after = [native(server, "GET", f"/v1beta/files/{name}", ALICE).status for name in ("batch-b", "video")]
        jobs = ("/v1beta/batches/b", f"/v1beta/models/{MODEL}/operations/o")
        bobs = [native(server, "GET", path, BOB).status for path in jobs]

    assert before == 403
    assert after == [200, 200]
    assert bobs == [404, 404]


WORDS = {
    "files": "You do not have permission to access the File $ or it may not exist.",
    "cachedContents": "CachedContent not found (or permission denied)",
}


@pytest.mark.parametrize("key_mode", MODES)
@pytest.mark.parametrize("collection", [*WORDS])
def test_foreign_is_unknown_before_the_emulator(tmp_path: Path, key_mode: str, collection: str) -> None:
    """In both key modes and in the emulator's own words: what Google tells with callers' keys, we tell with the server's."""
    with EmulatorServer(Emulator()) as emulator, mode(key_mode, emulator.url, tmp_path) as server:
        with client(server, ALICE, "v1beta") as alice:
            name = _made(alice, collection)
        told = []
        for asked in (name, f"{collection}/neverabc"):
            answers = [native(server, method, f"/v1beta/{asked}", BOB) for method in ("GET", "DELETE")]
            told.append([said(answer, asked.partition("/")[2])[:2] for answer in answers])
        own = native(server, "GET", f"/v1beta/{name}", ALICE)

    assert told[0] == told[1]
    assert told[0][0][0] == 403
    assert msgspec.json.decode(told[0][0][1])["error"] == {
        "code": 403,
        "message": WORDS[collection],
        "status": "PERMISSION_DENIED",
    }
    assert own.status == 200


def _made(gemini: genai.Client, collection: str) -> str:
    if collection == "files":
        return str(gemini.files.upload(file=io.BytesIO(b"abc"), config=types.UploadFileConfig(mime_type="text/plain")).name)
    config = types.CreateCachedContentConfig(contents="so many words " * 3000)
    return str(gemini.caches.create(model=MODEL, config=config).name)
