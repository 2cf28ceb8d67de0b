"""Batches of the emulator: states by the clock, results in the input's order, and what refuses a job."""

import io
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import Emulator, EmulatorServer, ManualClock
from tests.server.asking import ask

MODEL = "gemini-3.6-flash"
HOUR = 3600.0


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    script = [{"match": {"text": "fail me"}, "say": {"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}}]
    with EmulatorServer(Emulator(script=script, clock=ManualClock())) as running:
        yield running


def client_of(server: EmulatorServer, fault: str = "", key: str = "any-key") -> genai.Client:
    headers = {"x-emulator-fault": fault} if fault else {}
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=server.url, api_version="v1beta", headers=headers))


@pytest.fixture
def client(server: EmulatorServer) -> Iterator[genai.Client]:
    with client_of(server) as opened:
        yield opened


def asked(text: str, key: str) -> dict[str, Any]:
    return {"key": key, "request": {"contents": [{"role": "user", "parts": [{"text": text}]}]}}


def uploaded(client: genai.Client, lines: list[Any]) -> str:
    data = b"\n".join(line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines)
    file = client.files.upload(file=io.BytesIO(data), config=types.UploadFileConfig(mime_type="application/jsonl"))
    assert file.name
    return file.name


def created(client: genai.Client, name: str, model: str = MODEL) -> types.BatchJob:
    return client.batches.create(model=model, src=name, config=types.CreateBatchJobConfig(display_name="a job"))


def state(client: genai.Client, job: types.BatchJob) -> str:
    assert job.name
    found = client.batches.get(name=job.name)
    assert found.state
    return found.state.value


def test_a_job_waits_runs_and_succeeds_by_the_clock(client: genai.Client, server: EmulatorServer) -> None:
    """Each line has its answer, or its error, in the input's order."""
    job = created(
        client, uploaded(client, [asked("Say hello", "a"), asked("fail me", "b"), asked("Why is the sky blue?", "c")])
    )
    states = [state(client, job)]
    for seconds in (1, 2):
        server.emulator.clock.advance(seconds)
        states.append(state(client, job))
    over = client.batches.get(name=job.name or "")
    assert over.dest is not None
    results = [msgspec.json.decode(line) for line in client.files.download(file=over.dest.file_name or "").splitlines()]
    native = ask(server.url, f"/v1beta/{job.name}", headers={"x-goog-api-key": "any-key"}).json
    stats = native["metadata"]["batchStats"]

    assert states == ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"]
    assert [result["key"] for result in results] == ["a", "b", "c"]
    assert results[1]["error"] == {"code": 3, "message": "No."}
    assert "Why is the sky blue?" in results[2]["response"]["candidates"][0]["content"]["parts"][0]["text"]
    assert stats == {"requestCount": "3", "successfulRequestCount": "2", "failedRequestCount": "1"}


def test_requests_inside_the_create_are_answered_inside_the_job(client: genai.Client, server: EmulatorServer) -> None:
    """With their metadata."""
    requests = [types.InlinedRequest(contents="Why is the sky blue?", metadata={"row": "7"})]
    job = client.batches.create(model=MODEL, src=requests, config=types.CreateBatchJobConfig(display_name="a job"))
    server.emulator.clock.advance(10)
    over = client.batches.get(name=job.name or "")
    assert over.dest is not None
    [answer] = over.dest.inlined_responses or []

    assert answer.response is not None
    assert "Why is the sky blue?" in (answer.response.text or "")
    assert answer.metadata == {"row": "7"}


@pytest.mark.filterwarnings("ignore:.*experimental.*")
def test_embeddings(client: genai.Client, server: EmulatorServer) -> None:
    """The same vectors as live ones."""
    name = uploaded(client, [{"key": "a", "request": {"content": {"parts": [{"text": "Hello"}]}, "output_dimensionality": 4}}])
    job = client.batches.create_embeddings(
        model="gemini-embedding-001", src=types.EmbeddingsBatchJobSource(file_name=name), config={"display_name": "vectors"}
    )
    server.emulator.clock.advance(10)
    over = client.batches.get(name=job.name or "")
    assert over.dest is not None
    [line] = client.files.download(file=over.dest.file_name or "").splitlines()
    live = client.models.embed_content(
        model="gemini-embedding-001", contents="Hello", config=types.EmbedContentConfig(output_dimensionality=4)
    )
    assert live.embeddings is not None

    assert msgspec.json.decode(line)["response"]["embedding"]["values"] == live.embeddings[0].values


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([asked("a", "a"), b"{broken", asked("b", "b")], "line 2: it is not valid JSON"),
        ([asked("a", "a"), {"key": "b"}], "line 2: it has no request"),
        ([{"key": "a", "request": {"contentz": []}}], 'line 1: .*Unknown name "contentz"'),
        ([b"\n\n"], "empty"),
    ],
    ids=["broken JSON", "no request", "an unknown field", "nothing"],
)
def test_one_malformed_line_refuses_the_whole_job(
    client: genai.Client, server: EmulatorServer, lines: list[Any], message: str
) -> None:
    """And nothing is created."""
    with pytest.raises(errors.ClientError, match=message):
        created(client, uploaded(client, lines))

    assert list(client.batches.list()) == []
    assert server.emulator.resources.batches.created == 0


def test_a_cancelled_job_stays_and_has_no_results(client: genai.Client, server: EmulatorServer) -> None:
    """Cancelling what is over changes nothing."""
    name = uploaded(client, [asked("a", "a")])
    first, second = created(client, name), created(client, name)
    client.batches.cancel(name=first.name or "")
    server.emulator.clock.advance(10)
    states = [state(client, job) for job in (first, second)]
    client.batches.cancel(name=second.name or "")

    assert states == ["JOB_STATE_CANCELLED", "JOB_STATE_SUCCEEDED"]
    assert state(client, second) == "JOB_STATE_SUCCEEDED"
    assert client.batches.get(name=first.name or "").dest in (None, types.BatchJobDestination())


def test_deleting_rules(client: genai.Client, server: EmulatorServer) -> None:
    """A job is deleted once; its results cannot be deleted, since their name is longer than an id may be (recorded)."""
    job = created(client, uploaded(client, [asked("a", "a")]))
    server.emulator.clock.advance(10)
    over = client.batches.get(name=job.name or "")
    assert over.dest is not None
    with pytest.raises(errors.ClientError, match="40 characters"):
        client.files.delete(name=over.dest.file_name or "")
    client.batches.delete(name=job.name or "")
    with pytest.raises(errors.ClientError) as gone:
        client.batches.delete(name=job.name or "")

    assert gone.value.code == 404
    assert client.files.download(file=over.dest.file_name or "")


@pytest.mark.parametrize(
    ("fault", "hours", "expected"),
    [
        ("batch-state=FAILED", 0.1, "JOB_STATE_FAILED"),
        ("batch-state=EXPIRED", 0.1, "JOB_STATE_EXPIRED"),
        ("batch-state=RUNNING", 1, "JOB_STATE_RUNNING"),
        ("batch-state=RUNNING", 49, "JOB_STATE_EXPIRED"),
    ],
)
def test_other_endings_come_by_a_fault(server: EmulatorServer, fault: str, hours: float, expected: str) -> None:
    """Those of the service's own making."""
    with client_of(server, fault) as client:
        job = created(client, uploaded(client, [asked("a", "a")]))
        server.emulator.clock.advance(hours * HOUR)

        assert state(client, job) == expected


def test_lines_fail_by_a_fault(server: EmulatorServer) -> None:
    """Every second one."""
    with client_of(server, "batch-fail-every=2") as client:
        job = created(client, uploaded(client, [asked("a", f"{i}") for i in range(5)]))
        server.emulator.clock.advance(10)
        over = client.batches.get(name=job.name or "")
        assert over.dest is not None
        results = [msgspec.json.decode(line) for line in client.files.download(file=over.dest.file_name or "").splitlines()]

    assert ["error" in result for result in results] == [False, True, False, True, False]


def test_jobs_belong_to_their_project(client: genai.Client, server: EmulatorServer) -> None:
    """Another key's job is not there."""
    job = created(client, uploaded(client, [asked("a", "a")]))
    with client_of(server, key="another-key") as other:
        with pytest.raises(errors.ClientError) as unknown:
            other.batches.get(name=job.name or "")
        listed = list(other.batches.list())

    assert unknown.value.code == 404
    assert listed == []
    assert [one.name for one in client.batches.list()] == [job.name]


@pytest.mark.parametrize("model", ["gemini-embedding-001", "no-such-model"])
def test_a_model_without_batches_is_a_404(client: genai.Client, model: str) -> None:
    """Recorded."""
    with pytest.raises(errors.ClientError) as refused:
        created(client, uploaded(client, [asked("a", "a")]), model)

    assert refused.value.code == 404
