"""Our answers beside those of Google's own OpenAI-compatible layer, for the same exchanges: every difference is listed.

The recordings of Google's layer hold no native side. It is made here from what Google said, so that both sides tell of the
same native answer, error or list of models.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.judges import openai_document, playing, shared

shared.needed()

Json = dict[str, Any]

DIFFERENCES = tomllib.loads(Path(__file__).with_name("differences_from_google.toml").read_text("utf-8"))["difference"]

MODEL = "gemini-2.5-pro"
"""What is asked where a recording does not say its model."""

TEXTS = (
    "GoModel--chat_completion--0--8bf0d5",
    "pydantic-ai--test_compatible_api_with_tool_calls_without_id--1--94fa72",
    "pydantic-ai--test_compatible_api_with_tool_calls_without_id--1--b30f55",
)
ERRORS = (
    "stored-index--53364598264--0--cac56d",
    "stored-index--58117194154--0--548177",
    "stored-index--61496137656--0--da65bc",
)
MODELS = ("GoModel--models--0--546b23", "GoModel--models--0--ac7e89")
CALLS = (
    "autogen--4878--0--f07941",
    "pydantic-ai--test_compatible_api_with_tool_calls_without_id--0--573480",
    "pydantic-ai--test_compatible_api_with_tool_calls_without_id--0--a97210",
    "stored-index--59978087633--0--fcdc05",
    "stored-index--68862480491--0--3b0939",
)
"""Answers with tool calls; two of them are streams, which are added up as far as that goes."""


def native_text(google: Json) -> Json:
    """Give the native reply behind an answer of Google's layer, whose total alone counts the thoughts."""
    choice, usage = google["choices"][0], google.get("usage", {})
    message = choice["message"]
    completed = usage.get("completion_tokens", 0)
    counts = {
        "promptTokenCount": usage["prompt_tokens"],
        "candidatesTokenCount": completed,
        "thoughtsTokenCount": usage.get("total_tokens", usage["prompt_tokens"]) - usage["prompt_tokens"] - completed,
        "totalTokenCount": usage.get("total_tokens", usage["prompt_tokens"]),
    }
    calls = message.get("tool_calls", [])
    parts = [native_call(call, message) for call in calls] or [{"text": message["content"]} | signed(message)]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": counts,
        "modelVersion": google.get("model", MODEL),
        "responseId": google.get("id", ""),
    }


def native_call(call: Json, message: Json) -> Json:
    """Give the native call behind one of Google's layer, which of old put its signature on the message."""
    function = call["function"]
    native = {"functionCall": {"name": function["name"], "args": msgspec.json.decode(function["arguments"])}}
    return native | (signed(call) or signed(message))


def signed(carrier: Json) -> Json:
    """Give the native signature that a message or a call carries."""
    signature = carrier.get("extra_content", {}).get("google", {}).get("thought_signature")
    return {"thoughtSignature": signature} if signature else {}


def added_up(chunks: list[Any]) -> Json:
    """Add up the chunks of Google's layer, whose calls come whole and without an index."""
    whole: Json = {"object": "chat.completion"}
    choice: Json = {"index": 0, "message": {}}
    for chunk in chunks:
        if chunk == "[DONE]":
            continue
        whole |= {key: value for key, value in chunk.items() if key not in ("choices", "object")}
        for piece in chunk["choices"]:
            choice["message"] |= piece["delta"]
            choice |= {key: value for key, value in piece.items() if key == "finish_reason"}
    return whole | {"choices": [choice]}


async def exchange(name: str) -> tuple[Json, Json]:
    """Give Google's answer and ours, each as status and body."""
    recorded = shared.recording("google-compat", f"{name}.json")
    google = recorded["response"]
    upstream: Any
    if name in CALLS and isinstance(google, list):
        google = added_up(google)
    if name in TEXTS + CALLS:
        upstream = native_text(google)
    elif name in MODELS:
        entries = [{"name": model["id"], "displayName": model["display_name"]} for model in google["data"]]
        upstream = {"models": entries}
    else:
        upstream = google[0]
    http = playing.FakeHttp(lambda _request: playing.Played(msgspec.json.encode(upstream), recorded["status"]))
    model = google.get("model", MODEL) if name in TEXTS + CALLS else MODEL
    request = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    method, path, body = ("GET", "models", None) if name in MODELS else ("POST", "chat/completions", request)
    answer = await playing.ask(playing.server(http), method, f"/v1beta/openai/{path}", body)
    return {"status": recorded["status"], "body": google}, {"status": answer.status, "body": answer.json}


def differences(google: Any, ours: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Say where two values differ, and how: `added` by us, `missing` with us, or `other`."""
    if isinstance(google, dict) and isinstance(ours, dict):
        for key in google.keys() | ours.keys():
            inner = f"{place}.{key}".removeprefix(".")
            if key not in ours:
                yield inner, "missing"
            elif key not in google:
                yield inner, "added"
            else:
                yield from differences(google[key], ours[key], inner)
    elif isinstance(google, list) and isinstance(ours, list) and len(google) == len(ours):
        for one, other in zip(google, ours, strict=True):
            yield from differences(one, other, f"{place}[*]")
    elif isinstance(google, list) and len(google) == 1 and isinstance(ours, dict):
        yield place, "not in a list"
        yield from differences(google[0], ours, place)
    elif google != ours or type(google) is not type(ours):
        yield place, "other"


def surface(name: str) -> str:
    """Say which kind of answer a recording is."""
    return "chat" if name in TEXTS + CALLS else "models" if name in MODELS else "errors"


def listed(name: str) -> set[tuple[str, str]]:
    """Give the differences that the table lists for this kind of answer."""
    return {(entry["place"], entry["kind"]) for entry in DIFFERENCES if entry["surface"] == surface(name)}


@pytest.mark.parametrize("name", [*TEXTS, *CALLS, *ERRORS, *MODELS], ids=str)
async def test_every_difference_from_google_is_listed(name: str) -> None:
    """Where our answer differs from that of Google's layer, the table says so and why."""
    google, ours = await exchange(name)

    assert set(differences(google, ours)) - listed(name) == set()


async def test_every_listed_difference_occurs() -> None:
    """No entry of the table is left over."""
    found = {(surface(name), *one) for name in (*TEXTS, *CALLS, *ERRORS, *MODELS) for one in differences(*await exchange(name))}

    assert {(entry["surface"], entry["place"], entry["kind"]) for entry in DIFFERENCES} - found == set()
    assert all(entry["reason"] for entry in DIFFERENCES)


@pytest.mark.parametrize("name", [*TEXTS, *CALLS, *MODELS], ids=str)
async def test_our_answer_is_legal_where_google_s_is_not(name: str) -> None:
    """OpenAI's document refuses Google's answer and takes ours."""
    schema = "CreateChatCompletionResponse" if name in TEXTS + CALLS else "ListModelsResponse"
    google, ours = await exchange(name)

    assert openai_document.validate(schema, ours["body"]) == []
    assert openai_document.validate(schema, google["body"]) != []


def test_every_recording_of_google_s_layer_is_known() -> None:
    """Every recording is compared."""
    names = {entry["file"].removesuffix(".json") for entry in shared.index("google-compat")}

    assert names == {*TEXTS, *ERRORS, *MODELS, *CALLS}
