"""The loss report of an answer: the header, the body on request, strict mode."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from tests.server.asking import KEY, MESSAGES, MODEL, Answer, Pollux, ask, chat, pollux
from tests.server.calling import in_turn, reply
from tests.server.fake import FakeUpstream, error_reply

LOSSY: dict[str, Any] = {"logit_bias": {"50256": -100}, "seed": 2**40, "user": "ann@example.com"}
CODES = "logit_bias=ignored, user=ignored, seed=approximated"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """An upstream that answers plainly."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _plain_again(upstream: FakeUpstream) -> None:
    upstream.reset()


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server as it is by default."""
    with pollux(upstream, data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def last_chunk(answer: Answer) -> dict[str, Any]:
    """Give the last message of a stream before its end."""
    *_, last, done = [line.removeprefix(b"data: ") for line in answer.body.split(b"\n\n") if line.startswith(b"data: ")]
    assert done == b"[DONE]"
    chunk = msgspec.json.decode(last)
    assert isinstance(chunk, dict)
    return chunk


@pytest.mark.parametrize("streamed", [False, True])
def test_the_header_says_what_was_lost(server: Pollux, streamed: bool) -> None:
    """Codes, whole and streamed, and nothing in the body unasked."""
    answer = chat(server.url, stream=streamed, **LOSSY)

    assert answer.status == 200
    assert answer.headers["x-pollux-losses"] == CODES
    assert b"extra_content" not in answer.body
    assert "ann@example.com" not in str(answer.headers)


@pytest.mark.parametrize("streamed", [False, True])
def test_nothing_is_reported_where_nothing_was_lost(server: Pollux, streamed: bool) -> None:
    """No header, no key in the body."""
    answer = chat(server.url, stream=streamed, max_tokens=100)

    assert "x-pollux-losses" not in answer.headers
    assert b"extra_content" not in answer.body


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("lossy", [False, True])
def test_the_body_holds_the_whole_list_on_request(server: Pollux, streamed: bool, lossy: bool) -> None:
    """In `extra_content` of a whole answer or of the last chunk; empty where nothing was lost."""
    answer = chat(server.url, stream=streamed, headers={"x-pollux-report": "body"}, **(LOSSY if lossy else {}))
    body = last_chunk(answer) if streamed else answer.json
    losses = body["extra_content"]["pollux"]["losses"]

    assert [loss["code"] for loss in losses] == (CODES.split(", ") if lossy else [])
    assert all(loss.keys() == {"code", "param", "fate", "why"} for loss in losses)


def test_the_report_follows_the_usage_chunk(server: Pollux) -> None:
    """Where a stream ends with its usage, that chunk is the last."""
    answer = chat(server.url, stream=True, stream_options={"include_usage": True}, headers={"x-pollux-report": "body"})
    last = last_chunk(answer)

    assert last["choices"] == []
    assert last["extra_content"] == {"pollux": {"losses": []}}


@pytest.mark.parametrize("streamed", [False, True])
def test_strict_mode_refuses_and_names_everything(server: Pollux, upstream: FakeUpstream, streamed: bool) -> None:
    """A 400 before anything is paid for; the codes stand in its header too."""
    answer = chat(server.url, stream=streamed, headers={"x-pollux-strict": "true"}, **LOSSY)

    assert answer.status == 400
    assert answer.error["code"] == "strict_mode"
    assert answer.error["param"] == "logit_bias"
    assert all(name in answer.error["message"] for name in LOSSY)
    assert answer.headers["x-pollux-losses"] == CODES
    assert upstream.requests == []


def test_strict_mode_takes_what_loses_nothing(server: Pollux) -> None:
    """A request without a loss is answered."""
    assert chat(server.url, headers={"x-pollux-strict": "true"}, max_tokens=100).status == 200


@pytest.mark.parametrize(("header", "status"), [("", 400), ("true", 400), ("false", 200), ("0", 200)])
def test_the_header_outdoes_the_setting(upstream: FakeUpstream, header: str, status: int) -> None:
    """`strict` and `report` as settings hold where a request does not choose."""
    with pollux(upstream, strict=True, report="body") as strict:
        answer = chat(strict.url, headers={"x-pollux-strict": header} if header else {}, **LOSSY)

    assert answer.status == status
    assert status != 200 or answer.json["extra_content"]["pollux"]["losses"]


@pytest.mark.parametrize(("name", "value"), [("x-pollux-strict", "maybe"), ("x-pollux-report", "everywhere")])
def test_an_unknown_choice_is_refused(server: Pollux, name: str, value: str) -> None:
    """The header is named, and what it may be."""
    answer = chat(server.url, headers={name: value}, **LOSSY)

    assert answer.status == 400
    assert answer.error["param"] == name


def test_an_alias_is_a_loss(server: Pollux) -> None:
    """Another model answers than the one that was asked."""
    answer = ask(server.url, json={"model": "gemini-2.0-flash", "messages": MESSAGES})

    assert answer.headers["x-pollux-losses"] == "model=approximated"


def test_an_error_of_the_upstream_says_it_too(server: Pollux, upstream: FakeUpstream) -> None:
    """What had been lost when the service refused may be why."""
    upstream.then(in_turn([error_reply(400, "Bad.", "INVALID_ARGUMENT")]))
    answer = chat(server.url, **LOSSY)

    assert answer.status == 400
    assert answer.headers["x-pollux-losses"] == CODES


@pytest.mark.parametrize("streamed", [False, True])
def test_a_repair_is_in_the_report(server: Pollux, upstream: FakeUpstream, streamed: bool) -> None:
    """A second call is known only after the first; the body of a stream still says it."""
    broken = reply(finish="MALFORMED_FUNCTION_CALL", candidates=0)
    upstream.then(in_turn([[broken], [reply({"text": "Fine."})]] if streamed else [broken, reply({"text": "Fine."})]))
    answer = chat(server.url, stream=streamed, headers={"x-pollux-report": "body"})
    body = last_chunk(answer) if streamed else answer.json

    assert [loss["code"] for loss in body["extra_content"]["pollux"]["losses"]] == ["messages=added"]
    assert streamed or answer.headers["x-pollux-losses"] == "messages=added"


def test_a_web_page_may_read_the_report(server: Pollux) -> None:
    """The header is among those that are exposed to pages of other origins."""
    answer = chat(server.url, headers={"origin": "https://page.example", "authorization": f"Bearer {KEY}"}, **LOSSY)

    assert "x-pollux-losses" in answer.headers["access-control-expose-headers"]


def test_embeddings_report_too(tmp_path: Path) -> None:
    """The same header, list and strict mode, beside what their answer says of its usage."""
    asked = {"model": "gemini-embedding-001", "input": "Hello", "user": "ann", "top_a": 1}
    with EmulatorServer(Emulator()) as emulator, pollux(emulator.url, data_dir=str(tmp_path)) as server:
        answer = ask(server.url, "/v1/embeddings", json=asked, headers={"x-pollux-report": "body"})
        refused = ask(server.url, "/v1/embeddings", json=asked, headers={"x-pollux-strict": "true"})

    assert answer.status == 200
    assert answer.headers["x-pollux-losses"] == "unknown=ignored, user=ignored"
    assert [loss["param"] for loss in answer.json["extra_content"]["pollux"]["losses"]] == ["top_a", "user"]
    assert answer.json["extra_content"]["pollux"]["usage"]
    assert refused.error["code"] == "strict_mode"


def test_a_fact_of_the_settings_makes_a_parameter_mapped(upstream: FakeUpstream, tmp_path: Path) -> None:
    """What is not confirmed of a model is the operator's to say."""
    with pollux(upstream, model_facts={MODEL: "penalties"}, data_dir=str(tmp_path)) as knowing:
        answer = chat(knowing.url, presence_penalty=0.5, logprobs=True)
    [request] = upstream.requests

    assert answer.headers["x-pollux-losses"] == "logprobs=ignored"
    assert request.json["generationConfig"] == {"presencePenalty": 0.5}


def test_native_routes_report_nothing(server: Pollux) -> None:
    """What passes through untouched loses nothing."""
    answer = ask(
        server.url,
        f"/v1beta/models/{MODEL}:generateContent",
        json={"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        headers={"x-pollux-strict": "true", "x-pollux-report": "body", "x-goog-api-key": KEY},
        key="",
    )

    assert answer.status == 200
    assert "x-pollux-losses" not in answer.headers


def test_the_log_names_codes_and_no_text_of_the_caller(
    upstream: FakeUpstream, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A path may hold the caller's text, a code never does."""
    with pollux(upstream, access_log=True, data_dir=str(tmp_path)) as logging:
        chat(logging.url, extra_body={"google": {"my_secret_field": 1}})
    line = capfd.readouterr().err

    assert "lost=extra_body=ignored" in line
    assert "my_secret_field" not in line
