"""The settings of a request: thinking, length, stop sequences."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.families import FAMILIES
from pollux.emulator.models import MODELS
from pollux.emulator.tokens import count_text, split_text
from tests.emulator.in_process import STREAM, call, config, say

BETA = "/v1beta/models/"


async def ask(model: str, **settings: Any) -> Any:
    return (await call(Emulator(), f"{BETA}{model}:generateContent", config(**settings))).json


async def test_when_thinking_eats_the_budget_no_part_is_left() -> None:
    """Recorded with gemini-2.5-pro and maxOutputTokens 5: content with a role alone."""
    reply = await ask("gemini-2.5-pro", maxOutputTokens=5)
    events = (await call(Emulator(), STREAM, config(maxOutputTokens=5))).events

    assert reply["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]
    assert "candidatesTokenCount" not in reply["usageMetadata"]
    assert reply["usageMetadata"]["thoughtsTokenCount"] <= 5
    assert [event["candidates"][0] for event in events] == reply["candidates"]


async def test_a_limit_cuts_the_text_at_a_token() -> None:
    """Without thinking the whole budget is visible."""
    reply = await ask("gemini-2.5-flash", maxOutputTokens=5, thinkingConfig={"thinkingBudget": 0})

    assert reply["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert reply["candidates"][0]["content"]["parts"] == [{"text": "This is the Pollux emulator"}]
    assert reply["usageMetadata"]["candidatesTokenCount"] == 5


async def test_a_stop_sequence_ends_the_text_before_it() -> None:
    """The earliest of all counts, also across events; the finish reason stays STOP."""
    body = config(stopSequences=["message", "no model"])
    whole = (await call(Emulator(), STREAM.replace("streamG", "g"), body)).json
    events = (await call(Emulator(), STREAM, body)).events
    text = "".join(event["candidates"][0]["content"]["parts"][0]["text"] for event in events)

    assert text == "This is the Pollux emulator of gemini-3-flash-preview; "
    assert whole["candidates"][0]["content"]["parts"][0]["text"] == text
    assert whole["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("model", [model for model in MODELS if model.family.thinking == "level"], ids=lambda m: m.name)
async def test_each_level_of_a_family_is_taken_and_the_others_refused(model: Any) -> None:
    """As the table of gemini-native.md, section 9, has them; letters of any case."""
    for level in ("minimal", "Low", "MEDIUM", "high", "xhigh"):
        reply = await ask(model.name, thinkingConfig={"thinkingLevel": level})
        if level.upper() in model.family.levels:
            assert reply["candidates"][0]["finishReason"] == "STOP"
        elif model.family_name == "gemma-4":
            assert reply["error"]["message"] == "Thinking level is not supported for this model."
        else:
            assert reply["error"]["message"] == (
                f"Thinking level {level.upper()} is not supported for this model. Please retry with other thinking level."
            )


@pytest.mark.parametrize(
    ("model", "budget", "message"),
    [
        ("gemini-2.5-pro", 0, "Budget 0 is invalid. This model only works in thinking mode."),
        ("gemini-2.5-pro", 127, "The thinking budget (127) is invalid."),
        ("gemini-2.5-pro", 128, None),
        ("gemini-2.5-pro", 32768, None),
        ("gemini-2.5-flash", 0, None),
        ("gemini-2.5-flash", -1, None),
        ("gemini-2.5-flash", 24577, "The thinking budget (24577) is invalid."),
        ("gemini-2.5-flash", -2, "The thinking budget (-2) is invalid."),
        ("gemini-2.5-flash-lite", 511, "The thinking budget (511) is invalid."),
        ("gemini-2.5-flash-lite", 512, None),
        ("gemini-3-flash-preview", 1024, None),
        ("gemini-3.1-pro-preview", 0, "Budget 0 is invalid. This model only works in thinking mode."),
        ("gemma-4-31b-it", 100, "Thinking budget is not supported for this model."),
    ],
)
async def test_budgets_have_their_ranges(model: str, budget: int, message: str | None) -> None:
    """By family; -1 means dynamic."""
    reply = await ask(model, thinkingConfig={"thinkingBudget": budget})

    assert reply.get("error", {}).get("message") == message
    assert message or reply["usageMetadata"].get("thoughtsTokenCount", 0) <= (budget if budget >= 0 else 10_000)


async def test_thinking_can_be_absent_by_default_or_by_wish() -> None:
    """2.5 Flash-Lite and `minimal` do not think; then no count and no summary."""
    lite = await ask("gemini-2.5-flash-lite", thinkingConfig={"includeThoughts": True})
    minimal = await ask("gemini-3.6-flash", thinkingConfig={"thinkingLevel": "minimal", "includeThoughts": True})

    for reply in (lite, minimal):
        assert "thoughtsTokenCount" not in reply["usageMetadata"]
        assert len(reply["candidates"][0]["content"]["parts"]) == 1


async def test_more_thinking_costs_more_tokens() -> None:
    """Levels are told apart by what they cost, so that a lost level shows."""
    counts = [
        (await ask("gemini-4-hydrogen", thinkingConfig={"thinkingLevel": level}))["usageMetadata"]["thoughtsTokenCount"]
        for level in ("LOW", "MEDIUM", "XHIGH")
    ]

    assert counts == sorted(counts)
    assert len(set(counts)) == 3


async def test_settings_that_a_model_ignores_are_named() -> None:
    """Temperature has no effect from 3.6 Flash on; the answer says so."""
    ignoring = await ask("gemini-3.6-flash", temperature=0.2)
    heeding = await ask("gemini-3.5-flash", temperature=0.2)

    assert "temperature 0.2 (ignored by this model)" in ignoring["candidates"][0]["content"]["parts"][0]["text"]
    assert "temperature 0.2." in heeding["candidates"][0]["content"]["parts"][0]["text"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
async def test_the_default_level_of_a_family_is_one_it_takes(family: Any) -> None:
    """The table agrees with itself."""
    assert family.thinking != "level" or family.level_default in family.levels


async def test_an_answer_is_never_longer_than_the_models_limit() -> None:
    """Gemma gives 32,768 tokens at most; a request for more words than the emulator writes is cut."""
    reply = (await call(Emulator(), f"{BETA}gemini-3.5-flash:generateContent", say("write 999999 words"))).json

    assert len(reply["candidates"][0]["content"]["parts"][0]["text"].split()) == 20_000


def test_tokens_of_a_text_join_to_the_text() -> None:
    """Cutting loses nothing."""
    text = "  Zwölf Boxkämpfer,\n\njagen 42 Eva! 東京 \U0001f600 donaudampfschifffahrtsgesellschaft_x\t."

    assert "".join(split_text(text)) == text
    assert count_text(text) == len(split_text(text))
    assert count_text("a" * 4_000_000) == 1_000_000
