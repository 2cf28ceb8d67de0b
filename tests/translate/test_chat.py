"""Finish reasons and the conversation's end, against the reference's own tables."""

import pytest

from pollux.translate import chat_answer
from pollux.translate.reader import ReplyReader
from pollux.wire.gemini.generate import Candidate, GenerateContentResponse

FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "OTHER", "MALFORMED_FUNCTION_CALL", "IMAGE_OTHER", "NO_IMAGE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "FINISH_REASON_UNSPECIFIED", "A_NEW_ONE",
        ),
        "stop",
    ),
}  # fmt: skip
"""Every native finish reason, and OpenAI's. Source: Gemini API, FinishReason."""


@pytest.mark.parametrize("native", FINISH_REASONS)
def test_a_finish_reason_is_told_in_openai_s_word_and_its_own(native: str) -> None:
    """OpenAI's word is the table's; every native reason but the plain ends survives beside it."""
    reader = ReplyReader()
    reply = GenerateContentResponse(candidates=[Candidate(finish_reason=native)])
    telling = chat_answer.ChatTelling(chat_answer.Stamp("c", 1), "m")
    for event in [*reader.feed(reply), *reader.close()]:
        telling.feed(event)
    (choice,) = telling.completion().choices
    kept = {} if native in ("STOP", "MAX_TOKENS") else {"google": {"finish_reason": native}}

    assert choice.finish_reason == FINISH_REASONS[native]
    assert (choice.message.extra_content or {}) == kept
