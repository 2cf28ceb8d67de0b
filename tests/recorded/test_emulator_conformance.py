"""The emulator against the recordings of the real service: the same requests, the same status, words and keys.

Every recorded exchange of generateContent, streamGenerateContent and countTokens is played. What the emulator does not
imitate yet must say so; what differs otherwise stands below, each with its reason.
"""

import base64
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator
from pollux.emulator.signatures import DUMMIES
from tests.emulator.in_process import KEY, Reply, call
from tests.emulator.samples import of_type

SHARED = Path(__file__).resolve().parents[3] / "shared"
FIXTURES = SHARED / "fixtures/gemini-native"

if not FIXTURES.is_dir():
    pytest.skip("the recordings of ../shared are not here", allow_module_level=True)

METHODS = ("generateContent", "streamGenerateContent", "countTokens")

GONE = (
    "gemini-1.5-",
    "gemini-2.0-",
    "gemini-2.5-flash-image-preview",
    "gemini-2.5-flash-preview-",
    "gemini-2.5-pro-preview-",
    "gemini-3.1-flash-image-preview",
)
"""Models that were shut down since: the emulator answers 404, as the service does today."""

CANNOT_BE_PLAYED = {
    "pydantic-ai--test_multimodal_tool_return_matrix_tool_return_content-url_force_download-image-google_2_5--2--04aaf1.json": (
        "its signature was shortened"
    ),
    **{
        f"ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--{name}.json": (
            "its texts were replaced by <MASSIVE_TEXT>"
        )
        for name in ("2bd2f7", "4a1a99", "92fc09", "b62951")
    },
}

OTHER_WORDS = {
    "ruby_llm--returns_structured_JSON_output--0--6ebbad.json": "responseFormat is a field since; its `type` is none",
    "pydantic-ai--test_google_recursive_schema_native_output_gemini_2_5--0--6e77ed.json": "a passing 500",
    "pydantic-ai--test_google_model_file_search_tool--3--dba301.json": "a passing 503",
    "pydantic-ai--test_google_model_video_url_detail--0--0c14e4.json": "mediaResolution of a part is a field since",
}
"""Refusals that today's service would not repeat, or that were chance."""

OTHER_ENDING = {
    "pydantic-ai--test_google_model_max_tokens--0--e92838.json": "the model did not think about this prompt, the emulator does",
    "pydantic-ai--test_google_model_safety_settings--0--05052c.json": "the model refused the joke; the emulator judges nothing",
    **{
        f"lingua--snapshots_webSearchToolAdvancedParam_google--followup-response{name}.json": "the model searched no more"
        for name in ("--bf6ccf", "-streaming--4e79bb")
    },
    "pydantic-ai--test_auto_output_mode_with_builtin_tools_falls_back--0--dee1cc.json": "a search without sources",
}

EXTRA = {
    ".usageMetadata.serviceTier": "part of every answer since 2026",
    ".modelStatus": "of models on the way out, since",
    ".modelStatus.modelStage": "as above",
    ".modelStatus.retirementTime": "as above",
    ".candidates[].content.parts[].thought": "asked-for summaries always come from the emulator; models may have none",
    ".usageMetadata.thoughtsTokenCount": "the emulator thinks about every prompt; models may not",
    ".candidates[].content.parts[].functionCall.id": "of every call of Gemini 3 since April 2026",
    ".candidates[].content.parts[].thoughtSignature": "six texts of Gemini 3 were not signed",
    ".candidates[].finishMessage": "three answers with calls had none",
    ".usageMetadata.candidatesTokenCount": "one structured answer after a search had none",
    ".candidates[].index": "one answer had none",
    ".candidates[].groundingMetadata.groundingSupports[].segment.startIndex": "some answers have one sentence only",
}
"""Keys that an emulated answer may have and a recorded one had not."""

CUSTOM = ".candidates[].groundingMetadata.groundingChunks[].retrievedContext.customMetadata"

MISSING = {
    ".candidates[].content.parts[].thought": "2.5 Pro twice ran code while it thought",
    CUSTOM: "of stored files, which are not imitated",
    CUSTOM + "[].key": "as above",
    CUSTOM + "[].stringValue": "as above",
    ".usageMetadata.toolUsePromptTokenCount": "a search in the turn of a call was counted anew",
    ".usageMetadata.cachedContentTokenCount": "the emulator has no cache",
    ".usageMetadata.cacheTokensDetails": "as above",
    ".usageMetadata.cacheTokensDetails[].modality": "as above",
    ".usageMetadata.cacheTokensDetails[].tokenCount": "as above",
}
"""The other way round."""

OTHER_STREAM_END = {
    "fantasy--multi_tool_streaming--0--b27b0f.json": "2.5 Pro sent its two calls in two events",
    "fantasy--thinking-streaming-gemini-2.5-pro--0--d19813.json": "no finishMessage",
    "pydantic-ai--test_google_model_web_fetch_tool_stream--0--a2a219.json": "one sentence, so no startIndex",
    "pydantic-ai--test_google_streaming_tool_call_thought_signature--1--e62c0e.json": "not signed",
}
"""Streams that end in another way; each was seen once."""


FILE_DATA = re.compile(r'"https://[^"]+/files/(\w+)","mime_?[tT]ype":"([^"]+)"')
"""A file of the Files API in a request: its id and its type."""


class Exchange(msgspec.Struct):
    """One recording, as far as this test needs it."""

    file: str
    method: str
    model: str
    status: int
    request: Any
    events: list[Any]
    streamed: bool


@cache
def exchanges() -> list[Exchange]:
    found = []
    for line in (FIXTURES / "index.jsonl").read_bytes().splitlines():
        row = msgspec.json.decode(line)
        if row["kind"] not in METHODS or "response-only" in row["tags"] or row["file"] in CANNOT_BE_PLAYED:
            continue
        record = msgspec.json.decode((FIXTURES / row["file"]).read_bytes())
        if "curated" in record["provenance"] or not record["request"] or record["response"] is None:
            continue
        events = record["response"] if isinstance(record["response"], list) else [record["response"]]
        model = events[-1]["modelVersion"] if row["model"] == "unknown" else row["model"]
        found.append(
            Exchange(row["file"], row["kind"], model, record["status"], record["request"], events, bool(record["stream"]))
        )
    return found


async def played(exchange: Exchange) -> Reply:
    alt = "?alt=sse" if exchange.streamed else ""
    emulator = Emulator()
    request = provided(emulator, with_dummies(exchange.request))
    return await call(emulator, f"/v1beta/models/{exchange.model}:{exchange.method}{alt}", request)


def provided(emulator: Emulator, request: Any) -> Any:
    """Give the emulator the files and the cached content that a recorded request refers to."""
    project = emulator.projects.of_key(KEY)
    for name, mime_type in dict.fromkeys(FILE_DATA.findall(msgspec.json.encode(request).decode())):
        emulator.files.generate(project, of_type(mime_type), mime_type, name=name)
    request = with_whole_media(request)
    if "cachedContent" not in request:
        return request
    long = {"contents": [{"role": "user", "parts": [{"text": "Paris is the capital of France. " * 500}]}]}
    cache = emulator.resources.caches.create(project, {"model": "models/gemini-2.5-flash", **long}, "v1beta")
    return {**request, "cachedContent": cache.name}


CUT = ("image/jpeg", "audio/mpeg", "video/mp4", "application/pdf")
"""Types of which recordings hold only the first 240 bytes, or a digest."""


def with_whole_media(value: Any) -> Any:
    """Put small real media where the recording was cut; what is whole is left as it was sent."""
    if isinstance(value, dict):
        mime_type = value.get("mimeType", value.get("mime_type"))
        data = value.get("data")
        if mime_type in CUT and isinstance(data, str) and (len(data) == 320 or data.startswith("__")):
            return value | {"data": base64.b64encode(of_type(mime_type)).decode()}
        return {name: with_whole_media(item) for name, item in value.items()}
    return [with_whole_media(item) for item in value] if isinstance(value, list) else value


def with_dummies(value: Any) -> Any:
    """Put the documented dummy where the recording has a signature: the emulator knows only its own."""
    if isinstance(value, dict):
        return {
            name: DUMMIES[0] if name in ("thoughtSignature", "thought_signature") else with_dummies(item)
            for name, item in value.items()
        }
    return [with_dummies(item) for item in value] if isinstance(value, list) else value


def part_kinds(events: list[Any]) -> set[str]:
    """Which kinds of parts an answer has: texts, calls, code, traces; thoughts come or not by the model's mood."""
    kinds = set()
    for event in events:
        for part in event["candidates"][0].get("content", {}).get("parts", []):
            if not part.get("thought"):
                kinds |= part.keys() - {"thoughtSignature", "thought"}
    return kinds


def is_alike(exchange: Exchange, reply: Reply) -> bool:
    """Tell whether both answered with the same kinds of parts: a model may call where the emulator's rule does not."""
    if reply.status != 200 or exchange.method == "countTokens":
        return reply.status == 200
    return part_kinds(exchange.events) == part_kinds(reply.events if exchange.streamed else [reply.json])


def keys(value: Any, path: str = "") -> set[str]:
    """All paths of keys, with list positions left out; what functions take and tools answer is not looked into."""
    if path.endswith((".args", ".response")):
        return set()
    if isinstance(value, dict):
        return set().union(*({f"{path}.{name}"} | keys(item, f"{path}.{name}") for name, item in value.items()))
    if isinstance(value, list):
        return set().union(*(keys(item, path + "[]") for item in value))
    return set()


def is_gone(exchange: Exchange) -> bool:
    return exchange.model.startswith(GONE)


async def test_every_recorded_answer_is_given_or_refused_with_a_known_reason() -> None:
    """200 stays 200, unless the model is gone (404) or the emulator says that it does not imitate something yet (501)."""
    answered, alike, not_yet, gone, wrong = 0, 0, 0, 0, []
    for exchange in exchanges():
        if exchange.status != 200:
            continue
        reply = await played(exchange)
        if is_gone(exchange) and reply.status == 404:
            gone += 1
        elif reply.status == 501 and "This is a limit of the emulator, not of the Gemini API." in reply.body.decode():
            not_yet += 1
        elif reply.status == 200:
            answered += 1
            alike += is_alike(exchange, reply)
        else:
            wrong.append((exchange.file, reply.status, reply.body[:200]))

    assert wrong == []
    assert (answered, not_yet, gone, alike) == (423, 0, 85, 344)


async def test_recorded_refusals_are_repeated_word_for_word() -> None:
    """Status and message, details included where the service gave any."""
    compared = 0
    for exchange in exchanges():
        if exchange.status == 200 or exchange.file in OTHER_WORDS or is_gone(exchange):
            continue
        reply = await played(exchange)
        compared += 1

        assert reply.status == exchange.status, exchange.file
        assert reply.json == reworded(exchange.events[0]), exchange.file
    assert compared == 2


def reworded(error: Any) -> Any:
    """One sentence was changed since: `Call ListModels` is `Call ModelService.ListModels` today."""
    text = msgspec.json.encode(error).decode()
    return msgspec.json.decode(text.replace("Call ListModels", "Call ModelService.ListModels"))


OVERFLOW = "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--"

RECORDED_FAULTS = {
    OVERFLOW + "4a1a99.json": "status=400; reason=context",
    OVERFLOW + "b62951.json": "status=429; quota=tokens; retry-after=21",
    "pydantic-ai--test_google_recursive_schema_native_output_gemini_2_5--0--6e77ed.json": "status=500",
    "pydantic-ai--test_google_model_file_search_tool--3--dba301.json": "status=503; reason=overloaded",
    "vertexai-sdk-test-data--unary-failure-generativelanguage-api-not-enabled--0--3bc1a1.json": "status=403; reason=disabled",
}
"""Errors that cannot be provoked by a request alone, and the fault that makes them."""


@pytest.mark.parametrize(("file", "fault"), RECORDED_FAULTS.items())
async def test_faults_have_the_recorded_words_and_details(file: str, fault: str) -> None:
    """All but the fractions of a second in a text."""
    recorded = msgspec.json.decode((FIXTURES / file).read_bytes())
    body = {"contents": [{"parts": [{"text": "Hi"}]}]}
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    reply = await call(Emulator(), path, body, headers={"x-emulator-fault": fault})

    assert reply.status == recorded["status"]
    assert whole_seconds(reply.json) == whole_seconds(recorded["response"])


def whole_seconds(error: Any) -> Any:
    text = msgspec.json.encode(error).decode()
    return msgspec.json.decode(re.sub(r"retry in (\d+)\.\d+s", r"retry in \1s", text))


async def test_emulated_answers_have_the_keys_of_recorded_ones() -> None:
    """Over all events of an answer; the differences are those of the tables above, and every entry of them is needed."""
    extra: dict[str, str] = {}
    missing: dict[str, str] = {}
    for exchange in exchanges():
        if exchange.status != 200 or is_gone(exchange) or exchange.file in OTHER_ENDING:
            continue
        reply = await played(exchange)
        if not is_alike(exchange, reply):
            continue
        ours = keys(reply.events if exchange.streamed else [reply.json])
        theirs = keys(exchange.events)
        extra |= dict.fromkeys(ours - theirs, exchange.file)
        missing |= dict.fromkeys(theirs - ours, exchange.file)

    assert {key: extra[key] for key in extra if key.removeprefix("[]") not in EXTRA} == {}
    assert {key.removeprefix("[]") for key in missing} == set(MISSING)
    assert {key.removeprefix("[]") for key in extra} == set(EXTRA)


async def test_streams_end_as_recorded() -> None:
    """The last event's keys, per family. 2.5 has two endings, of which the recording and the emulator take one each."""
    wrong = []
    for exchange in exchanges():
        if exchange.status != 200 or not exchange.streamed or is_gone(exchange) or exchange.file in OTHER_ENDING:
            continue
        reply = await played(exchange)
        if not is_alike(exchange, reply) or len(exchange.events) < 2:
            continue
        theirs, ours = exchange.events[-1]["candidates"][0], reply.events[-1]["candidates"][0]
        difference = keys(theirs) ^ keys(ours)
        if exchange.model.startswith("gemini-2.5"):
            difference -= {".content.parts", ".content.parts[].text"}
        if theirs["finishReason"] == "STOP" and difference:
            wrong.append(exchange.file)

    assert sorted(wrong) == sorted(OTHER_STREAM_END)
