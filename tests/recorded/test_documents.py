"""The two machine-readable documents as judges: Google's of what we send, OpenAI's of what we answer."""

from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings

from pollux.errors import ApiError, Unsupported
from pollux.translate import chat, images, video_fields
from pollux.translate.parameters import ROWS
from pollux.translate.profiles import profile
from pollux.translate.speech_request import SPEECH_ROWS
from pollux.translate.transcription import TRANSCRIPTION_ROWS
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import finding, generating, google_document, openai_document, pairs, shared

shared.needed()

INVENTED = {
    "chat/replies/finish_reason_unknown",
    "chat/replies/part_of_an_unknown_kind",
    "chat/replies/service_tier_unknown",
    "chat/replies/unknown_keys",
    "chat/replies/unknown_keys_beside_a_text",
    "chat/streams/error_after_the_end",
    "chat/streams/error_at_once",
    "chat/streams/error_midway",
    "chat/streams/finish_reason_unknown",
    "chat/streams/part_of_an_unknown_kind",
}
"""Pairs whose native side Google's document does not know, on purpose: what may come one day, and errors inside streams."""

GOOGLE_S_TOOL = (
    "OpenAI's document knows functions and custom tools; Google's own are given as OpenAI's Responses API gives its own"
)
GEMINI_S_OWN = ("extra_body", "google")
"""Where Gemini's own fields stand."""
CLOSED = ("embeddings/requests", "audio/speech", "audio/transcriptions", "audio/translations")
"""Whose unknown fields OpenAI's document forbids, unlike those of chat."""
A_PICTURE = "OpenAI takes only texts in a tool's result; agents with eyes send images there"

OTHER_SERVERS = "a content part of other servers that speak OpenAI's API, which their clients send"
NEW_DETAIL = "a detail that is newer than the document of chat completions; the Responses API has it"

ODD_REQUESTS = {
    "chat/requests/google_tools_alone_on_2_5": GOOGLE_S_TOOL,
    "chat/requests/google_tools_beside_functions": GOOGLE_S_TOOL,
    "chat/requests/google_tools_by_openai_s_names": GOOGLE_S_TOOL,
    "chat/requests/google_tools_by_type": GOOGLE_S_TOOL,
    "chat/requests/google_tools_by_web_search_preview": GOOGLE_S_TOOL,
    "chat/requests/google_tools_computer_use": GOOGLE_S_TOOL,
    "chat/requests/google_tools_with_a_forced_choice": GOOGLE_S_TOOL,
    "chat/requests/google_tools_with_settings": GOOGLE_S_TOOL,
    "chat/requests/google_tools_with_settings_beside": GOOGLE_S_TOOL,
    "chat/requests/google_tools_without_a_type": GOOGLE_S_TOOL,
    "chat/requests/audio_in_a_tool_result": A_PICTURE,
    "chat/requests/audio_pcm": "the native API takes more formats of sound than OpenAI",
    "chat/requests/audio_url": OTHER_SERVERS,
    "chat/requests/image_as_a_text": OTHER_SERVERS,
    "chat/requests/image_detail_by_part": NEW_DETAIL,
    "chat/requests/image_detail_on_2_5": NEW_DETAIL,
    "chat/requests/image_answer": "a picture in the answer, which OpenAI's chat completions do not have",
    "chat/requests/result_image": A_PICTURE,
    "chat/requests/result_image_behind_a_url": A_PICTURE,
    "chat/requests/result_image_on_2_5": A_PICTURE,
    "chat/requests/result_without_ids": "OpenAI requires ids; Google's layer gave none until 2025, and clients stored that",
    "chat/requests/nulls": "null where OpenAI's document has no null; the server takes it as absence",
    "chat/requests/role_model": "a role of Google's samples",
    "chat/requests/stop_as_an_empty_list": "OpenAI wants one sequence at least",
    "audio/speech/a_field_that_does_not_exist": "a field that OpenAI's document does not know, on purpose",
    "audio/transcriptions/a_field_that_does_not_exist": "a field that OpenAI's document does not know, on purpose",
    "audio/translations/fields_of_transcriptions": "fields that OpenAI's document knows of transcriptions only",
    "audio/speech/two_speakers_without_a_voice": "OpenAI requires a voice, which says nothing where two speak",
    "embeddings/requests/content_parts_in_one_vector": "media and several parts in one vector are ours",
    "chat/requests/stop_of_five": "the native API takes one more than OpenAI",
    "chat/requests/video_youtube": OTHER_SERVERS,
}
"""Accepted requests that OpenAI's document refuses, and why the server takes them."""

CASES = {str(case): case for case in pairs.cases()}
BUILT = [name for name, case in CASES.items() if "gemini.json" in case.golden()]
REQUESTS = {"chat/requests": "CreateChatCompletionRequest", "embeddings/requests": "CreateEmbeddingRequest"} | {
    "audio/speech": "CreateSpeechRequest",
    "audio/transcriptions": "CreateTranscriptionRequest",
    "audio/translations": "CreateTranslationRequest",
    "images/requests": "CreateImageRequest",
    "images/edits": "EditImageBodyJsonParam",
    "videos/veo": "CreateVideoJsonBody",
    "videos/omni": "CreateVideoJsonBody",
}
NATIVE_SIDES = {"chat/requests": "GenerateContentRequest", "chat/replies": "GenerateContentResponse"} | {
    "chat/streams": "GenerateContentResponse",
    "chat/exchanges": "GenerateContentRequest",
    "embeddings/requests": "BatchEmbedContentsRequest",
    "audio/speech": "GenerateContentRequest",
    "audio/transcriptions": "GenerateContentRequest",
    "audio/translations": "GenerateContentRequest",
    "audio/transcripts": "GenerateContentResponse",
    "images/requests": "GenerateContentRequest",
    "images/edits": "GenerateContentRequest",
    "images/replies": "GenerateContentResponse",
    "videos/veo": "PredictLongRunningRequest",
    "models": "ListModelsResponse",
}
ANSWERS = {
    "chat/replies": "CreateChatCompletionResponse",
    "chat/streams": "CreateChatCompletionStreamResponse",
    "chat/exchanges": "CreateChatCompletionResponse",
    "images/replies": "ImagesResponse",
    "videos/replies": "VideoResource",
    "models": "ListModelsResponse",
}

OPENAI_REQUESTS = {
    entry["file"]: shared.recording("gemini-native", entry["file"])["openai_request"]
    for entry in shared.index("gemini-native")
    if "openai-request-known" in entry["tags"]
    and shared.recording("gemini-native", entry["file"])["openai_surface"].startswith("chat")
}
"""Requests in OpenAI's form that public projects sent and recorded."""


@cache
def native_values(name: str) -> list[Any]:
    """Give the native messages of a pair."""
    case = CASES[name]
    if case.family == "chat/exchanges":
        return list(msgspec.json.decode(case.given("sent.json")))
    if case.family == "chat/streams":
        return [msgspec.json.decode(line) for line in case.given("gemini.jsonl").splitlines()]
    return [msgspec.json.decode(case.given("gemini.json"))]


def refused_by_google(name: str, without: str = "") -> list[str]:
    """Give what Google's document finds wrong with the native side of a pair."""
    schema = NATIVE_SIDES[CASES[name].family]
    document = google_document.document(without)
    return [wrong for value in native_values(name) for wrong in document.validate(schema, value)]


JUDGED = [
    name for name, case in CASES.items() if case.family in NATIVE_SIDES and (name in BUILT or case.family not in REQUESTS)
]


@pytest.mark.parametrize("name", JUDGED, ids=str)
def test_the_native_side_of_a_pair_is_native(name: str) -> None:
    """Google's document, unknown fields forbidden, accepts what we send and what we take for an answer of the service."""
    assert bool(refused_by_google(name)) == (name in INVENTED), refused_by_google(name)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.family in ANSWERS], ids=str)
def test_the_answer_of_a_pair_is_openai_s(name: str) -> None:
    """OpenAI's document accepts every answer and every chunk; an error in a stream is its ErrorResponse."""
    case = CASES[name]
    for value in answered(case):
        schema = (
            "ErrorResponse"
            if "error" in value and "object" not in value
            else STREAMED.get(value.get("object", ""), ANSWERS[case.family])
        )

        assert openai_document.validate(schema, value) == []


STREAMED = {"chat.completion.chunk": "CreateChatCompletionStreamResponse"}


def answered(case: pairs.Case) -> list[Any]:
    """Give the messages that a pair's caller gets."""
    if case.family == "chat/exchanges":
        answer = msgspec.json.decode(case.given("answer.json"))
        return [message for message in (answer if isinstance(answer, list) else [answer]) if message != "[DONE]"]
    lines = [
        line for text in case.golden().values() for line in (text.splitlines() if case.family == "chat/streams" else [text])
    ]
    return [msgspec.json.decode(line) for line in lines]


@pytest.mark.parametrize(
    "name", [name for name in CASES if "failures/" in name or "refused.json" in CASES[name].golden()], ids=str
)
def test_the_error_of_a_pair_is_openai_s(name: str) -> None:
    """OpenAI's document accepts every error."""
    (text,) = CASES[name].golden().values()

    assert openai_document.validate("ErrorResponse", msgspec.json.decode(text)["body"]) == []


@pytest.mark.parametrize("name", BUILT, ids=str)
def test_the_request_of_a_pair_is_openai_s(name: str) -> None:
    """OpenAI's document accepts the requests of the pairs, but those of which the list says why the server takes them."""
    request = msgspec.json.decode(CASES[name].given("openai.json"))
    if CASES[name].family in CLOSED:
        request = {field: value for field, value in request.items() if field not in GEMINI_S_OWN}
    wrong = openai_document.validate(REQUESTS[CASES[name].family], request)

    assert bool(wrong) == (name in ODD_REQUESTS), wrong


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(generating.requests | generating.agent_requests())
def test_google_s_document_accepts_what_is_sent(request: generating.Json) -> None:
    """Every native body that is built for a generated request is valid, with unknown fields forbidden."""
    asked = msgspec.json.decode(msgspec.json.encode(request), type=ChatCompletionRequest)
    try:
        native = chat.to_gemini(asked, profile(asked.model)).native
    except Unsupported:
        assume(False)

    assert google_document.document().validate("GenerateContentRequest", google_document.plain(native)) == []


def test_every_parameter_of_audio_has_a_row() -> None:
    """None of them is lost in silence."""
    assert openai_document.properties("CreateSpeechRequest") <= {row.name for row in SPEECH_ROWS}
    assert openai_document.properties("CreateTranscriptionRequest") <= {row.name for row in TRANSCRIPTION_ROWS}
    assert openai_document.properties("CreateTranslationRequest") <= {row.name for row in TRANSCRIPTION_ROWS}


def test_every_parameter_of_openai_s_document_has_a_row() -> None:
    """None of them is lost in silence."""
    documented = openai_document.properties("CreateChatCompletionRequest")

    assert len(documented) > 30
    assert documented <= {row.name for row in ROWS}


@pytest.mark.parametrize(
    "schema", ["CreateImageRequest", "CreateImageEditRequest", "EditImageBodyJsonParam", "CreateImageVariationRequest"]
)
def test_every_parameter_of_images_has_a_row(schema: str) -> None:
    """None of them is lost in silence, here too."""
    documented = openai_document.properties(schema)

    assert len(documented) > 5
    assert documented <= {row.name for row in images.ROWS}


@pytest.mark.parametrize(
    "schema",
    [
        *("CreateVideoJsonBody", "CreateVideoMultipartBody", "CreateVideoRemixBody"),
        *("CreateVideoEditJsonBody", "CreateVideoEditMultipartBody"),
        *("CreateVideoExtendJsonBody", "CreateVideoExtendMultipartBody"),
    ],
)
def test_every_parameter_of_videos_has_a_row(schema: str) -> None:
    """None of them is lost in silence, here neither."""
    documented = openai_document.properties(schema)

    assert documented
    assert documented <= video_fields.BY_NAME.keys()


@pytest.mark.parametrize("file", OPENAI_REQUESTS, ids=str)
def test_a_recorded_openai_request_is_built_or_refused_by_name(file: str) -> None:
    """What public projects send becomes a valid native request, or is refused with the parameter's name."""
    asked = msgspec.json.decode(msgspec.json.encode(OPENAI_REQUESTS[file]), type=ChatCompletionRequest)
    refusal: ApiError | None = None
    wrong: list[str] = []
    try:
        native = chat.to_gemini(asked, profile("gemini-3.6-flash"), found=finding.media(asked)).native
        sent = msgspec.json.decode(encode_request(native).body)
        wrong = google_document.document().validate("GenerateContentRequest", sent)
    except ApiError as error:
        refusal = error

    assert wrong == []
    assert refusal is None or (isinstance(refusal, Unsupported) and refusal.param)


def test_every_entry_of_the_overlay_is_needed() -> None:
    """Without any one entry some pair would be refused."""
    needed = {
        entry.name
        for entry in google_document.overlay()
        if any(refused_by_google(name, entry.name) for name in JUDGED if name not in INVENTED)
    }

    assert {entry.name for entry in google_document.overlay()} == needed
    assert all(entry.source for entry in google_document.overlay())


def test_every_exception_of_openai_s_document_is_needed() -> None:
    """Each entry of the list excuses some complaint about the answers of the pairs."""
    complaints = [
        complaint
        for case in CASES.values()
        if case.family in ANSWERS
        for text in case.golden().values()
        for line in (text.splitlines() if case.family == "chat/streams" else [text])
        for complaint in openai_document.complaints(ANSWERS[case.family], msgspec.json.decode(line))
    ]
    needed = {entry.name for entry in openai_document.exemptions() if any(entry.covers(one) for one in complaints)}

    assert {entry.name for entry in openai_document.exemptions()} == needed
    assert all(entry.reason for entry in openai_document.exemptions())
