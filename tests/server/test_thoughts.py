"""Thought summaries: beside the content, or inside it in Google's form; by setting, by header, never both."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.asking import MODEL, Pollux, Stream, chat, pollux
from tests.server.calling import function, in_turn, native_call, reply
from tests.server.fake import FakeUpstream

HEADER = "x-pollux-thoughts"

THOUGHT = {"text": "**Looking**\n\n", "thought": True}
ANSWER = {"text": "It rains.", "thoughtSignature": "dGV4dA=="}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}

Form = tuple[str, str | None]

BESIDE: Form = ("It rains.", "**Looking**\n\n")
INSIDE: Form = ("<thought>**Looking**\n\n</thought>It rains.", None)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def servers(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pollux]]:
    """A server for each value of the setting; "" is the default."""
    folder = tmp_path_factory.mktemp("data")
    with (
        pollux(upstream, data_dir=str(folder / "default")) as default,
        pollux(upstream, data_dir=str(folder / "google"), thoughts="google") as google,
    ):
        yield {"": default, "google": google}


def told(server: Pollux, streamed: bool, **parameters: Any) -> tuple[str, str | None, dict[str, Any], list[Any]]:
    """Ask; give content, summary, Google's extras and calls. A stream is joined."""
    if not streamed:
        message = chat(server.url, **parameters).json["choices"][0]["message"]
        google = message.get("extra_content", {}).get("google", {})
        return message["content"], message.get("reasoning_content"), google, message.get("tool_calls", [])
    with Stream(server.url, **parameters) as stream:
        whole = stream.whole()
    deltas = [choice["delta"] for message in whole.messages for choice in message["choices"]]
    assert not [delta for delta in deltas if "reasoning_content" in delta and delta.get("content")]
    google = {}
    for delta in deltas:
        google |= delta.get("extra_content", {}).get("google", {})
    pieces = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    return whole.text, "".join(pieces) if pieces else None, google, calls


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("setting", "header", "form"),
    [
        ("", None, BESIDE),
        ("", "reasoning_content", BESIDE),
        ("", "google", INSIDE),
        ("google", None, INSIDE),
        ("google", "google", INSIDE),
        ("google", "reasoning_content", BESIDE),
    ],
)
def test_the_header_goes_before_the_setting(
    servers: dict[str, Pollux], upstream: FakeUpstream, setting: str, header: str | None, form: Form, streamed: bool
) -> None:
    """One form or the other, whole and streamed; the mark `thought` belongs to Google's form alone."""
    events = [reply(THOUGHT, finish=None), reply(ANSWER)]
    upstream.then(in_turn([events if streamed else reply(THOUGHT, ANSWER)]))
    headers = {HEADER: header} if header else {}
    content, summary, google, _ = told(servers[setting], streamed, headers=headers)

    assert (content, summary) == form
    assert google.get("thought") == (True if form == INSIDE else None)
    assert google["thought_signature"] == "dGV4dA=="


def test_another_form_is_refused_before_anything_is_paid(servers: dict[str, Pollux], upstream: FakeUpstream) -> None:
    """The error names the header and its values."""
    upstream.reset()
    answer = chat(servers[""].url, headers={HEADER: "both"})

    assert answer.status == 400
    assert answer.error["param"] == HEADER
    assert "reasoning_content or google" in answer.error["message"]
    assert upstream.paid() == []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("header", ["reasoning_content", "google"])
def test_a_thought_before_a_call_is_closed(
    servers: dict[str, Pollux], upstream: FakeUpstream, header: str, streamed: bool
) -> None:
    """In Google's form the tag ends before the call; beside the content there is no content at all."""
    events = [reply(THOUGHT, finish=None), reply(native_call(n=1))]
    upstream.then(in_turn([events if streamed else reply(THOUGHT, native_call(n=1))]))
    content, summary, _, calls = told(servers[""], streamed, headers={HEADER: header}, tools=[function()])

    assert content == ("<thought>**Looking**\n\n</thought>" if header == "google" else "" if streamed else None)
    assert summary == (None if header == "google" else "**Looking**\n\n")
    assert [call["function"]["name"] for call in calls] == ["look"]


@pytest.mark.parametrize("header", ["reasoning_content", "google"])
def test_an_interim_picture_of_the_thinking_is_no_output(
    servers: dict[str, Pollux], upstream: FakeUpstream, header: str
) -> None:
    """It is neither in the content nor among the parts that come beside it."""
    upstream.then(in_turn([reply(THOUGHT, PICTURE, ANSWER)]))
    answer = chat(servers[""].url, headers={HEADER: header})

    assert answer.status == 200
    assert b"AAAA" not in answer.body
    assert b"It rains." in answer.body


def test_a_summary_that_comes_back_is_not_the_models_word(servers: dict[str, Pollux], upstream: FakeUpstream) -> None:
    """Neither the tagged content nor `reasoning_content` is sent on; the text keeps its signature."""
    upstream.reset()
    answers = [reply(THOUGHT, ANSWER)] * 2 + [reply(ANSWER)] * 2
    upstream.then(in_turn(answers))
    bodies = []
    messages = [
        chat(servers[""].url, headers={HEADER: form}).json["choices"][0]["message"] for form in ("google", "reasoning_content")
    ]
    for message in messages:
        known = {key: message[key] for key in ("role", "content", "reasoning_content") if key in message}
        history = [{"role": "user", "content": "Say hello."}, known, {"role": "user", "content": "And now?"}]
        chat(servers[""].url, messages=history)
        bodies.append(upstream.paid()[-1].json)

    assert [body["contents"][1]["parts"] for body in bodies] == [[ANSWER]] * 2


EFFORTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (MODEL, {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}}, {"includeThoughts": True}),
    (MODEL, {"google": {"thinking_config": {"include_thoughts": True}}}, {"includeThoughts": True}),
    (MODEL, {"extra_body": {"google": {"thinkingConfig": {"includeThoughts": True}}}}, {"includeThoughts": True}),
    (
        MODEL,
        {"extra_body": {"google": {"thinking_config": {"thinking_level": "low", "include_thoughts": True}}}},
        {"thinkingLevel": "LOW", "includeThoughts": True},
    ),
    (
        MODEL,
        {"reasoning_effort": "low", "google": {"thinking_config": {"include_thoughts": True}}},
        {"thinkingLevel": "LOW", "includeThoughts": True},
    ),
    ("gemini-2.5-flash-x", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
    ("gemini-2.5-flash-lite-x", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
]


@pytest.mark.parametrize(("model", "parameters", "config"), EFFORTS)
def test_every_spelling_of_the_configuration_arrives(
    servers: dict[str, Pollux], upstream: FakeUpstream, model: str, parameters: dict[str, Any], config: dict[str, Any]
) -> None:
    """As clients write it: in `extra_body` or beside, in snake or camel case."""
    upstream.reset()
    answer = chat(servers[""].url, model=model, **parameters)

    assert answer.status == 200
    assert upstream.paid()[-1].json["generationConfig"] == {"thinkingConfig": config}


@pytest.mark.parametrize(
    ("model", "parameters", "words"),
    [
        (MODEL, {"reasoning_effort": "low", "google": {"thinking_config": {"thinking_level": "low"}}}, "reasoning_effort and"),
        (MODEL, {"reasoning_effort": "low", "google": {"thinking_config": {"thinking_budget": 9}}}, "thinking_budget"),
        (MODEL, {"reasoning_effort": "none"}, "always think"),
        ("gemini-2.5-pro-x", {"reasoning_effort": "none"}, "always think"),
        (MODEL, {"reasoning_effort": "enormous"}, "must be one of"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_paid(
    servers: dict[str, Pollux], upstream: FakeUpstream, model: str, parameters: dict[str, Any], words: str
) -> None:
    """Two settings of the same thing, and thinking that cannot be off."""
    upstream.reset()
    answer = chat(servers[""].url, model=model, **parameters)

    assert answer.status == 400
    assert words in answer.error["message"]
    assert not [sent for sent in upstream.paid() if sent.verb]
