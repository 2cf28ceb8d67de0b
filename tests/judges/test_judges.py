"""The judges themselves: each of them can say no."""

from typing import Any

import pytest

from tests.judges import folding, shared


def chunk(*choices: dict[str, Any], **head: Any) -> dict[str, Any]:
    """Make a chunk."""
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": list(choices)} | head


def choice(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> dict[str, Any]:
    """Make a chunk's part of a choice."""
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


ROLE, TEXT, END = choice({"role": "assistant", "content": ""}), choice({"content": "a"}), choice({}, "stop")


@pytest.mark.parametrize(
    ("chunks", "breach"),
    [
        ([chunk(ROLE), chunk(TEXT, id="d"), chunk(END)], "id changes"),
        ([chunk(TEXT), chunk(END)], "does not begin with its role"),
        ([chunk(ROLE), chunk(ROLE), chunk(END)], "a role is said twice"),
        ([chunk(ROLE), chunk(END), chunk(TEXT)], "goes on after its end"),
        ([chunk(ROLE), chunk(TEXT)], "of the choices"),
        ([chunk(choice({"role": "assistant"}, "stop", index=1))], "choices begin in the order"),
        ([chunk()], "there is no choice"),
        ([chunk({"index": 0, "delta": {"role": "assistant"}}), chunk(END)], "finish_reason is missing"),
    ],
)
def test_a_breach_of_the_rules_for_chunks_is_found(chunks: list[dict[str, Any]], breach: str) -> None:
    """What would break a caller's accumulation is named."""
    assert any(breach in found for found in folding.breaches(chunks))


def test_adding_up_follows_the_clients() -> None:
    """Strings join, numbers and booleans add, objects merge, lists of objects merge by index."""
    deltas: list[dict[str, Any]] = [
        {"content": None, "x": {"n": 1, "flag": True}, "calls": [{"index": 0, "type": "function", "arguments": '{"a'}]},
        {"content": "a", "x": {"n": 2, "flag": True}, "calls": [{"index": 0, "type": "function", "arguments": '":1}'}]},
        {"content": "b", "calls": [{"index": 1, "arguments": "{}"}]},
    ]
    message: dict[str, Any] = {}
    for delta in deltas:
        folding.merge(message, delta)

    assert message == {
        "content": "ab",
        "x": {"n": 3, "flag": 2},
        "calls": [{"index": 0, "type": "function", "arguments": '{"a":1}'}, {"index": 1, "arguments": "{}"}],
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [({"calls": [{"a": 1}]}, {"calls": [{"a": 2}]}), ({"x": "a"}, {"x": 1}), ({"x": {}}, {"x": []})],
    ids=["list_without_index", "text_and_number", "object_and_list"],
)
def test_what_cannot_be_added_up_is_an_error(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Where the official clients raise, the fold does."""
    message: dict[str, Any] = {}
    folding.merge(message, first)

    with pytest.raises(ValueError, match=r"index|cannot be added"):
        folding.merge(message, second)


@pytest.mark.parametrize("mode", ["none", "last", "each"])
def test_usage_that_was_not_asked_for_in_this_way_is_found(mode: str) -> None:
    """Usage on the last chunk but one is right in no mode."""
    used = {"total_tokens": 3}

    assert folding.usage_breaches([chunk(ROLE), chunk(END, usage=used), chunk()], mode)


@pytest.mark.skipif(not shared.IS_HERE, reason="needs ../shared beside the repository (the two documents)")
def test_the_documents_refuse_what_is_wrong() -> None:
    """A missing key, a wrong type, an unknown native field and an unknown native value are found, with their place."""
    from tests.judges import google_document, openai_document  # late: they need packages only to read the documents

    completion = {"id": "c", "object": "chat.completion", "created": "now", "model": "m", "choices": [{"index": 0}]}
    complaints = [str(complaint) for complaint in openai_document.validate("CreateChatCompletionResponse", completion)]
    native = {
        "contents": [{"parts": [{"text": "a", "mood": 1}]}],
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "MAX"}},
    }
    refusals = google_document.document().validate("GenerateContentRequest", native)

    assert any("created: 'now' is not of type 'integer'" in text for text in complaints)
    assert any("choices[0]: 'message' is a required property" in text for text in complaints)
    assert any("$.contents[0].parts[0]" in text and "mood" in text for text in refusals)
    assert any("thinkingLevel" in text and "MAX" in text for text in refusals)
