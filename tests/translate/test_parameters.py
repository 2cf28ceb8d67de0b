"""The parameter tables against what is really done, on every model family: each row's word, and the native request.

*mapped*: the field that the row names stands in the native request. *ignored*: the native request is the one without the
parameter, and a note says so in the row's words. *refused*: an error names it. What the words cannot show here (the path, the
chunks, the answer) is shown by a golden pair.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import chat
from pollux.translate.generation_config import ELSEWHERE, SAME_AS
from pollux.translate.losses import NAMES
from pollux.translate.parameters import GOOGLE_ROWS, ROWS, Row
from pollux.translate.profiles import FAMILIES, NEWEST, Profile
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import pairs

FUNCTION = {"name": "look", "parameters": {"type": "object"}}
TOOLS = [{"type": "function", "function": FUNCTION}]
SETTINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]

GIVEN: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.5},
    "top_k": {"top_k": 20},
    "max_tokens": {"max_tokens": 20},
    "max_completion_tokens": {"max_completion_tokens": 20},
    "stop": {"stop": "."},
    "seed": {"seed": 7},
    "reasoning_effort": {"reasoning_effort": "high"},
    "n": {"n": 2},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "presence_penalty": {"presence_penalty": 0.5},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "logprobs": {"logprobs": True},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
    "tools": {"tools": TOOLS},
    "tool_choice": {"tools": TOOLS, "tool_choice": "required"},
    "functions": {"functions": [FUNCTION]},
    "function_call": {"functions": [FUNCTION], "function_call": {"name": "look"}},
    "web_search_options": {"web_search_options": {}},
    "safety_settings": {"safety_settings": SETTINGS},
    "moderation": {"moderation": {"model": "omni-moderation-latest"}},
    "prediction": {"prediction": {"type": "content", "content": "Red."}},
    "verbosity": {"verbosity": "low"},
    "service_tier": {"service_tier": "flex"},
    "store": {"store": True},
    "metadata": {"metadata": {"run": "7"}},
    "user": {"user": "ada"},
    "safety_identifier": {"safety_identifier": "a1"},
    "prompt_cache_key": {"prompt_cache_key": "colours"},
    "prompt_cache_options": {"prompt_cache_options": {"mode": "explicit"}},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
}
"""A value for every parameter, and what it needs beside; the last one is the parameter of the row."""

GIVEN_TO_GOOGLE: dict[str, Any] = {
    "thinking_config": {"include_thoughts": True},
    "tools": [{"google_search": {}}],
    "cached_content": "cachedContents/abc",
    "safety_settings": SETTINGS,
    "generation_config": {"max_output_tokens": 20},
    "labels": {"team": "colours"},
    "store": False,
    "service_tier": "flex",
    "top_k": 20,
}

SHOWN_BY_PAIRS = {
    "model", "messages", "stream", "stream_options", "parallel_tool_calls", "extra_body", "google",
    "response_format", "modalities", "audio",
}  # fmt: skip
"""Rows whose word a single value cannot show: they choose the path, the contents, the chunks, or depend on the value."""

PROFILES = {family.family: family for _, family in FAMILIES if family.family != "not-chat"} | {"newest": NEWEST}
MANY = [(row, name) for row in ROWS if row.name not in SHOWN_BY_PAIRS for name in PROFILES]


def native(profile: Profile, **given: Any) -> tuple[dict[str, Any], chat.Plan]:
    """Translate a small request with these parameters."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "Name a colour."}]} | given
    plan = chat.to_gemini(msgspec.json.decode(msgspec.json.encode(asked), type=ChatCompletionRequest), profile)
    return msgspec.json.decode(msgspec.json.encode(plan.native)), plan


def at(body: Any, path: str) -> Any:
    """Give what stands under a path; a list is looked through."""
    for name in path.split("."):
        found = [item[name] for item in (body if isinstance(body, list) else [body]) if name in item]
        if not found:
            return None
        body = found[0]
    return body


def test_every_parameter_has_one_row() -> None:
    """The rows name the fields of the request, each once."""
    assert sorted(row.name for row in ROWS) == sorted(ChatCompletionRequest.__struct_fields__)


def test_every_row_is_tried() -> None:
    """Here with a value, or by a pair."""
    assert {row.name for row in ROWS} == GIVEN.keys() | SHOWN_BY_PAIRS
    assert not GIVEN.keys() & SHOWN_BY_PAIRS
    assert {row.name for row in GOOGLE_ROWS} == GIVEN_TO_GOOGLE.keys()


@pytest.mark.parametrize(("row", "family"), MANY, ids=[f"{row.name}-{family}" for row, family in MANY])
def test_what_is_sent_is_what_the_row_says(row: Row, family: str) -> None:
    """On each family: mapped, the field is there; ignored, nothing changes and a note says so; refused, by name."""
    profile = PROFILES[family]
    given = GIVEN[row.name]
    beside = {name: value for name, value in given.items() if name != row.name}
    without, _ = native(profile, **beside)
    match row.fate_on(profile):
        case "refused":
            with pytest.raises(Unsupported, match=row.name) as refusal:
                native(profile, **given)
            assert refusal.value.param == row.name
            assert row.why in refusal.value.message
        case "ignored":
            body, plan = native(profile, **given)
            assert body == without
            [note] = [note for note in plan.notes if note.param == row.name]
            assert note.fate == "ignored"
            assert note.why == row.otherwise or not row.otherwise or not row.needs
        case "mapped":
            body, plan = native(profile, **given)
            assert row.name not in {note.param for note in plan.notes if note.fate == "ignored"}
            if row.name == "n":
                assert plan.answers == 2
                assert at(body, row.to) == (2 if profile.candidates_max > 1 else None)
            else:
                assert body != without
                assert all(
                    at(body, field) is not None or at(body, f"tools.{field}") is not None for field in row.to.split(", ")
                )


@pytest.mark.parametrize("family", PROFILES)
@pytest.mark.parametrize("row", GOOGLE_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("place", ["extra_body.google", "extra_body", "google"])
def test_google_s_fields_are_sent_as_their_rows_say(row: Row, family: str, place: str) -> None:
    """In each of the three places, on each family."""
    profile, value = PROFILES[family], GIVEN_TO_GOOGLE[row.name]
    given: dict[str, Any] = {row.name: value}
    for name in reversed(place.split(".")):
        given = {name: given}
    body, plan = native(profile, **given)
    if row.fate_on(profile) == "ignored":
        assert body == native(profile)[0]
        assert [note.fate for note in plan.notes] == ["ignored"]
    else:
        assert plan.notes == []
        assert at(body, row.to) is not None


@pytest.mark.parametrize("row", [row for row in ROWS if row.neutral], ids=lambda row: row.name)
@pytest.mark.parametrize("family", PROFILES)
def test_a_value_that_means_nothing_is_no_loss(row: Row, family: str) -> None:
    """Given where the parameter is not mapped, it changes nothing and is not noted."""
    profile = PROFILES[family]
    for value in row.neutral:
        body, plan = native(profile, **{row.name: value})

        assert plan.notes == []
        assert row.fate_on(profile) == "mapped" or body == native(profile)[0]


@pytest.mark.parametrize("field", SAME_AS)
def test_a_field_of_the_generation_config_is_its_parameter(field: str) -> None:
    """It makes the native request that the parameter makes; said twice the same it is no contradiction."""
    param = SAME_AS[field]
    values = {"stop": ["."], "modalities": ["text"]}
    value = values.get(param, GIVEN.get(param, {}).get(param))
    beside = {"logprobs": True} if param == "top_logprobs" else {}
    config = {"extra_body": {"google": {"generation_config": {field: value}}}}
    for profile in (family for family in PROFILES.values() if family.speaks != "only"):  # those take no modality but theirs
        said, _ = native(profile, **beside, **config)

        assert said == native(profile, **beside, **{param: value})[0]
        assert said == native(profile, **beside, **config, **{param: value})[0]


@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_field_that_stands_elsewhere_is_refused(field: str) -> None:
    """By its place, with what to give instead."""
    with pytest.raises(Unsupported) as refusal:
        native(NEWEST, google={"generation_config": {field: {}}})

    assert refusal.value.param == f"google.generation_config.{field}"
    assert ELSEWHERE[field] in refusal.value.message


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"safety_settings": "off"}, "safety_settings"),
        ({"safety_settings": ["off"]}, "safety_settings[0]"),
        ({"safety_settings": [{"threshold": "OFF"}]}, "safety_settings[0].category"),
        ({"safety_settings": [{"category": 1, "threshold": "OFF"}]}, "safety_settings[0].category"),
        ({"google": {"labels": {"team": 1}}}, "google.labels[...]"),
        ({"google": {"store": "yes"}}, "google.store"),
        ({"google": {"service_tier": "fast"}}, "google.service_tier"),
        ({"google": {"generation_config": []}}, "google.generation_config"),
        ({"google": {"generation_config": {"temperature": 3}}}, "temperature"),
        ({"google": {"generation_config": {"candidateCount": 1000}}}, "n"),
        ({"top_k": 0}, "top_k"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"n": 1000}, "n"),
    ],
)
def test_a_bad_value_is_refused_at_its_place(given: dict[str, Any], param: str) -> None:
    """The place is named as the caller wrote it."""
    with pytest.raises(InvalidRequest) as refusal:
        native(NEWEST, **given)

    assert refusal.value.param == param


def test_a_new_safety_category_passes() -> None:
    """Which constants there are is the service's to say."""
    settings = [{"category": "HARM_CATEGORY_TOMORROW", "threshold": "BLOCK_A_LITTLE"}]

    assert native(NEWEST, safety_settings=settings)[0]["safetySettings"] == settings


def test_the_names_of_codes_are_the_tables_names() -> None:
    """A code names a row."""
    assert {row.name for row in ROWS} <= NAMES


def test_every_row_that_pairs_show_has_one() -> None:
    """Each of them stands in the request of a golden pair, built or refused."""
    shown: Iterator[dict[str, Any]] = (msgspec.json.decode(case.given("openai.json")) for case in pairs.cases("chat/requests"))

    assert set().union(*shown) >= SHOWN_BY_PAIRS
