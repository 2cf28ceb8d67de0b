"""Every recorded native error keeps its meaning on the way to the caller."""

from typing import NamedTuple

import msgspec
import pytest

from tests.judges import openai_document, playing, shared

shared.needed()


class Meaning(NamedTuple):
    """What the caller must see: status, code, param, type, and the seconds after which a retry makes sense."""

    status: int
    code: str
    param: str | None = None
    type: str = "invalid_request_error"
    retry_after: str | None = None


UNKNOWN_MODEL = Meaning(404, "model_not_found", "model")
TOO_LONG = Meaning(400, "context_length_exceeded", "messages")
INVALID = Meaning(400, "invalid_value")

MEANINGS = {
    "ai--google-429-retry-info--0--5d318b": Meaning(429, "rate_limit_exceeded", type="requests", retry_after="35"),
    "lingua--snapshots_exclusiveMinimumToolParam_google--error--96d970": INVALID,
    "pydantic-ai--test_document_url_input--0--139509": UNKNOWN_MODEL,
    "pydantic-ai--test_document_url_input--1--97d52f": INVALID,
    "pydantic-ai--test_google_model_file_search_tool--3--dba301": Meaning(503, "overloaded", type="server_error"),
    "pydantic-ai--test_google_model_video_url_detail--0--0c14e4": INVALID,
    "pydantic-ai--test_google_recursive_schema_native_output_gemini_2_5--0--6e77ed": Meaning(
        500, "server_error", type="server_error"
    ),
    "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_0-flash_handles_context_length_exceeded_errors--0--ff5109": TOO_LONG,
    "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--4a1a99": TOO_LONG,
    "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--2bd2f7": Meaning(
        429, "rate_limit_exceeded", type="tokens", retry_after="48"
    ),
    "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--92fc09": Meaning(
        429, "rate_limit_exceeded", type="tokens", retry_after="38"
    ),
    "ruby_llm--chat_real_error_scenarios_gemini_gemini-2_5-flash_handles_context_length_exceeded_errors--0--b62951": Meaning(
        429, "rate_limit_exceeded", type="tokens", retry_after="21"
    ),
    "ruby_llm--returns_structured_JSON_output--0--6ebbad": INVALID,
    "vertexai-sdk-test-data--streaming-failure-api-key--0--faa583": Meaning(401, "invalid_api_key"),
    "vertexai-sdk-test-data--streaming-failure-http-error--0--d2f699": Meaning(
        403, "unsupported_country_region_territory", type="permission_error"
    ),
    "vertexai-sdk-test-data--streaming-failure-unknown-model--0--5e1a9a": UNKNOWN_MODEL,
    "vertexai-sdk-test-data--unary-failure-context-cache-model-doesnt-match--0--3f3c60": INVALID,
    "vertexai-sdk-test-data--unary-failure-context-cache-not-found--0--ce5802": Meaning(404, "not_found"),
    "vertexai-sdk-test-data--unary-failure-generate-images-prompt-blocked--0--65dbaa": INVALID,
    "vertexai-sdk-test-data--unary-failure-generativelanguage-api-not-enabled--0--3bc1a1": Meaning(
        403, "service_disabled", type="permission_error"
    ),
    "vertexai-sdk-test-data--unary-failure-iam-permission-denied--0--8708c4": Meaning(
        403, "permission_denied", type="permission_error"
    ),
    "vertexai-sdk-test-data--unary-failure-unknown-model--0--797208": UNKNOWN_MODEL,
}
"""What each recorded error means to an OpenAI caller. The time to wait is RetryInfo's, which the service rounds down.

Source: OpenAI API, Error codes; Gemini API, errors.
"""

RECORDED = sorted(
    entry["file"].removesuffix(".json") for entry in shared.index("gemini-native") if entry["status"] in range(400, 600)
)


async def answer_to(name: str, *, stream: bool) -> playing.Answer:
    """Ask for a chat completion, with the recorded error as the upstream's answer."""
    recorded = shared.recording("gemini-native", f"{name}.json")
    upstream = playing.Played(msgspec.json.encode(recorded["response"]), recorded["status"])
    request = {"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    return await playing.ask(
        playing.server(playing.FakeHttp(lambda _request: upstream)), "POST", "/v1/chat/completions", request
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", RECORDED, ids=str)
async def test_a_recorded_error_keeps_its_meaning(name: str, *, stream: bool) -> None:
    """Status, code, parameter, type and the time to wait are what the native error means in OpenAI's terms."""
    answer = await answer_to(name, stream=stream)
    error = answer.json["error"]
    meaning = Meaning(answer.status, error["code"], error["param"], error["type"], answer.headers.get("retry-after"))

    assert meaning == MEANINGS[name]
    assert openai_document.validate("ErrorResponse", answer.json) == []


@pytest.mark.parametrize("name", RECORDED, ids=str)
async def test_a_recorded_error_keeps_its_words_and_no_debug_text(name: str) -> None:
    """The native message, status and details reach the caller; the service's debug text, which can hold a key, does not."""
    native = shared.recording("gemini-native", f"{name}.json")["response"]["error"]
    answer = await answer_to(name, stream=False)
    error = answer.json["error"]
    kept = [detail for detail in native.get("details", []) if not detail["@type"].endswith("DebugInfo")]
    debug_texts = [detail["detail"] for detail in native.get("details", []) if detail["@type"].endswith("DebugInfo")]

    assert error["message"] == native["message"]
    assert error["extra_content"]["google"]["status"] == native["status"]
    assert error["extra_content"]["google"].get("details", []) == kept
    assert not any(text in answer.body.decode() for text in debug_texts)
