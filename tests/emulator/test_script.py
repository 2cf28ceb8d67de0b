"""Scripted answers, from Python and from files."""

from pathlib import Path
from typing import Any

import pytest

from pollux.emulator import Emulator, Script
from tests.emulator.in_process import PATH, STREAM, Reply, call, say


async def ask(emulator: Emulator, text: str = "Hello", target: str = PATH, **more: Any) -> Reply:
    return await call(emulator, target, say(text), **more)


def first_text(reply: Reply) -> str:
    return str(reply.json["candidates"][0]["content"]["parts"][0]["text"])


async def test_the_first_entry_that_matches_answers() -> None:
    """And what none matches, the emulator answers by itself."""
    emulator = Emulator(
        script=[
            {"match": {"text": "weather"}, "say": {"text": "Sunny."}},
            {"match": {"text_regex": r"(?i)\bcity\b"}, "say": {"text": "Vienna."}},
        ]
    )

    assert first_text(await ask(emulator, "What WEATHER in the city?")) == "Sunny."
    assert first_text(await ask(emulator, "Which city?")) == "Vienna."
    assert first_text(await ask(emulator, "Velocity")).startswith("This is the Pollux emulator")
    assert [entry["script"] for entry in emulator.journal.entries()] == ["answers[0]", "answers[1]", ""]


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"model": "gemini-3-*"}, True),
        ({"model": "gemini-2*"}, False),
        ({"method": "generateContent"}, True),
        ({"method": "stream*"}, False),
        ({"text": "last"}, True),
        ({"text": "first"}, False),
        ({"system": "PIRATE"}, True),
        ({"system_regex": "^You"}, True),
        ({"system_regex": "^I"}, False),
        ({"turn": 2}, True),
        ({"turn": 1}, False),
        ({"header": {"X-Test": "a*"}}, True),
        ({"header": {"x-test": "b"}}, False),
        ({"text": "last", "turn": 1}, False),
    ],
)
async def test_conditions_look_at_the_whole_request(match: dict[str, Any], matches: bool) -> None:
    """Model, method, last user text, system instruction, turn, header; all that are given must hold."""
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "the first"}]},
            {"role": "model", "parts": [{"text": "yes"}]},
            {"parts": [{"text": "the last"}]},
        ],
        "system_instruction": {"parts": [{"text": "You are a pirate."}]},
    }
    reply = await call(Emulator(script=[{"match": match, "say": {"text": "scripted"}}]), PATH, body, headers={"x-test": "abc"})

    assert (first_text(reply) == "scripted") is matches


async def test_a_sequence_answers_in_turn_and_then_stops_repeats_or_begins_again() -> None:
    """As `then` says."""
    says = [{"text": "one"}, {"text": "two"}]
    seen = {}
    for then in ("stop", "last", "cycle"):
        emulator = Emulator(script=[{"say": says, "then": then}, {"say": {"text": "else"}}])
        seen[then] = [first_text(await ask(emulator)) for _ in range(4)]

    assert seen == {
        "stop": ["one", "two", "else", "else"],
        "last": ["one", "two", "two", "two"],
        "cycle": ["one", "two", "one", "two"],
    }


async def test_times_limits_an_entry() -> None:
    """Then the next one answers."""
    emulator = Emulator(script=[{"say": {"text": "once"}, "times": 1}, {"say": {"text": "then"}}])

    assert [first_text(await ask(emulator)) for _ in range(3)] == ["once", "then", "then"]


async def test_scripted_text_is_treated_as_the_family_treats_text() -> None:
    """Cut into events, signed, stopped, limited."""
    emulator = Emulator(script=[{"say": {"text": "One two three four five.", "thoughts": ["Hm."]}}])
    body = say(generationConfig={"stopSequences": ["four"], "thinkingConfig": {"includeThoughts": True}})
    events = (await call(emulator, STREAM, body)).events

    assert events[0]["candidates"][0]["content"]["parts"] == [{"text": "Hm.", "thought": True}]
    assert events[1]["candidates"][0]["content"]["parts"] == [{"text": "One two three "}]
    assert "thoughtSignature" in events[-1]["candidates"][0]["content"]["parts"][0]


async def test_events_are_sent_as_they_are_cut() -> None:
    """One stream event for each."""
    emulator = Emulator(script=[{"say": {"events": ["Hel", "lo", "!"]}}])
    events = (await call(emulator, STREAM, say())).events
    whole = await ask(emulator)

    assert [event["candidates"][0]["content"]["parts"][0]["text"] for event in events] == ["Hel", "lo", "!", ""]
    assert first_text(whole) == "Hello!"


async def test_a_native_reply_is_sent_as_it_is() -> None:
    """Also one that the emulator could not make itself, for a request that it would not answer."""
    call_part = {"functionCall": {"name": "f", "args": {}, "id": "call_1"}, "thoughtSignature": "AA=="}
    reply = {"candidates": [{"content": {"parts": [call_part], "role": "model"}, "finishReason": "STOP"}]}
    emulator = Emulator(script=[{"say": {"reply": reply}}])
    body = say(tools=[{"functionDeclarations": [{"name": "f"}]}])

    assert (await call(emulator, PATH, body)).json == reply
    assert (await call(emulator, STREAM, body)).events == [reply]


async def test_native_replies_are_the_events_and_fold_to_a_whole_answer() -> None:
    """Parts in order, the rest from the last."""
    replies = [
        {"candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "index": 0}], "responseId": "x"},
        {
            "candidates": [{"content": {"parts": [{"text": "b"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"totalTokenCount": 3},
        },
    ]
    emulator = Emulator(script=[{"say": {"replies": replies}}])
    whole = (await ask(emulator)).json

    assert (await ask(emulator, target=STREAM)).events == replies
    assert whole["candidates"][0]["content"]["parts"] == [{"text": "a"}, {"text": "b"}]
    assert whole["candidates"][0]["finishReason"] == "STOP"
    assert whole["usageMetadata"] == {"totalTokenCount": 3}


async def test_errors_blocks_and_faults_can_be_scripted() -> None:
    """A sequence of an error and an answer is a retry that succeeds."""
    emulator = Emulator(
        script=[
            {
                "say": [
                    {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
                    {"fault": "status=429; quota=per-day"},
                    {"blocked": "SAFETY"},
                    {"text": "ab cd", "finish": "MAX_TOKENS"},
                    {"empty": True},
                    {"text": "well", "fault": "cut-after=1"},
                ]
            }
        ]
    )
    busy, quota, blocked, cut_short, empty, cut = [await ask(emulator) for _ in range(6)]

    assert busy.json == {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    assert quota.status == 429
    assert blocked.json["promptFeedback"]["blockReason"] == "SAFETY"
    assert cut_short.json["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert first_text(cut_short) == "ab cd"
    assert "parts" not in empty.json["candidates"][0]["content"]
    assert not cut.finished


async def test_a_strict_script_tells_why_nothing_matched() -> None:
    """Every entry with its reason; exhausted is told from not matching."""
    script = {
        "strict": True,
        "answers": [
            {"name": "greeting", "match": {"text": "hello"}, "say": [{"text": "Hi!"}]},
            {"match": {"model": "gemini-2.5-*"}, "say": {"text": "old"}},
        ],
    }
    emulator = Emulator(script=script)
    answered = await ask(emulator, "Hello")
    missed = await ask(emulator, "Hello")
    other = await ask(emulator, "Good bye")

    assert answered.status == 200
    assert missed.status == other.status == 501
    assert missed.message.splitlines() == [
        "The emulator's script is strict, and no entry answers this generateContent of gemini-3-flash-preview.",
        "- greeting: it matches, but is exhausted after 1 answers",
        "- answers[1]: model 'gemini-3-flash-preview' is not 'gemini-2.5-*'",
    ]
    assert "- greeting: the last user text does not contain 'hello'" in other.message


async def test_the_service_still_refuses_before_a_script_answers() -> None:
    """A script is no way around the native API's rules."""
    emulator = Emulator(script=[{"say": {"text": "scripted"}}])

    assert (await call(emulator, PATH, {**say(), "foo": 1})).status == 400
    assert (await call(emulator, PATH, say(generationConfig={"temperature": 5}))).status == 400
    assert emulator.script.used == [0]


TOML = """
strict = true

[[answers]]
name = "greeting"
match = { text = "hello", model = "gemini-3*" }
say = { text = "Hi from the file." }
"""

JSON = '{"answers": [{"match": {"text": "hello"}, "say": {"events": ["Hi ", "from the file."]}}]}'


@pytest.mark.parametrize(("name", "text"), [("script.toml", TOML), ("script.json", JSON)])
async def test_a_script_comes_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    """TOML or JSON, by its ending."""
    path = tmp_path / name
    path.write_text(text)

    assert first_text(await ask(Emulator(script=path), "Hello")) == "Hi from the file."
    assert Script.load(str(path)).strict is name.endswith("toml")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("answers = 1", "Expected `array`"),
        ("[[answers]]\nsay = { words = 'a' }", "unknown field `words`"),
        ("[[answers]]\nmatch = { txt = 'a' }\nsay = { text = 'a' }", "unknown field `txt`"),
        ("[[answers]]\nmatch = { text_regex = '(' }\nsay = { text = 'a' }", "not a regular expression"),
        ("[[answers]]\nname = 'a'", "needs an answer under 'say'"),
        ("[[answers]]\nsay = {}", "an answer needs one of"),
        ("[[answers]]\nsay = { text = 'a', blocked = 'SAFETY' }", "not several"),
        ("[[answers]]\nsay = { fault = 'stats=1' }", "unknown field `stats`"),
        ("[[answers]]\nsay = { error = { code = 200 } }", "between 400 and 599"),
        ("[[answers]", "line 1"),
    ],
)
def test_mistakes_in_a_file_are_told_with_its_name(tmp_path: Path, text: str, why: str) -> None:
    """At loading, not when the first request comes."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"wrong\.toml") as caught:
        Script.load(path)
    assert why in str(caught.value)
