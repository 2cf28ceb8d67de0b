"""Repairs: at most one second native call, before anything was told; then an honest ending, and all tokens counted."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.server.asking import Pollux, Stream, chat, pollux
from tests.server.calling import ASKED, DUMMY, REFUSED, SIGNATURE, call, called, function, in_turn, native_call, reply, result
from tests.server.fake import FakeUpstream, error_reply

SIGNED = [ASKED, called(call("a", arguments='{"n":1}', signature=SIGNATURE)), result("a", "It rains.")]
"""A conversation whose call comes back with a signature."""

FINE = reply({"text": "It rains."}, prompt=20, candidates=7, thoughts=3)

OVERLOADED = error_reply(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")

ODD_ENDS = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "OTHER", "STOP"]
"""Ends that a second try may mend, when nothing was said before them."""


def ending(reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """Make a reply that ends so, with its cost."""
    message = {"finishMessage": f"It ended with {reason}."} if reason != "STOP" else {}
    return reply(*parts, finish=reason, prompt=10, candidates=5 if parts else 0, thoughts=4, **message)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """The server."""
    with pollux(upstream, data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


@dataclass
class Outcome:
    """What a caller got, whole or streamed, and what Gemini was asked."""

    status: int
    text: str
    finish_reason: str | None
    google: dict[str, Any]
    calls: list[Any]
    usage: dict[str, Any]
    error: dict[str, Any]
    bodies: list[Any]

    @property
    def tokens(self) -> tuple[int, int, int]:
        """Prompt, completion, total."""
        return self.usage["prompt_tokens"], self.usage["completion_tokens"], self.usage["total_tokens"]

    @property
    def signatures(self) -> list[str | None]:
        """Give the signature of the call in each native call."""
        return [body["contents"][1]["parts"][0].get("thoughtSignature") for body in self.bodies]


@pytest.fixture(params=["whole", "streamed"])
def asking(request: pytest.FixtureRequest, server: Pollux, upstream: FakeUpstream) -> Any:
    """A function that scripts the native answers, asks, and gives the outcome; every test runs whole and streamed."""

    def ask(*answers: Any, **parameters: Any) -> Outcome:
        upstream.reset()
        upstream.then(in_turn(answers))
        parameters = {"messages": SIGNED, "tools": [function()]} | parameters
        outcome = streamed(server, parameters) if request.param == "streamed" else whole(server, parameters)
        outcome.bodies += [sent.json for sent in upstream.paid() if sent.verb.endswith("enerateContent")]
        assert len(outcome.bodies) <= 2
        return outcome

    return ask


def whole(server: Pollux, parameters: dict[str, Any]) -> Outcome:
    """Ask for a whole answer."""
    answer = chat(server.url, **parameters)
    if answer.status != 200:
        return Outcome(answer.status, "", None, {}, [], {}, answer.error, [])
    [choice] = answer.json["choices"]
    message = choice["message"]
    google = message.get("extra_content", {}).get("google", {})
    calls = message.get("tool_calls", [])
    return Outcome(200, message["content"] or "", choice["finish_reason"], google, calls, answer.json["usage"], {}, [])


def streamed(server: Pollux, parameters: dict[str, Any]) -> Outcome:
    """Ask for a stream, and join it."""
    with Stream(server.url, stream_options={"include_usage": True}, **parameters) as stream:
        told = stream.whole()
    if told.status != 200:
        return Outcome(told.status, "", None, {}, [], {}, msgspec.json.decode(told.sends[0])["error"], [])
    if told.data[-1] != b"[DONE]":
        return Outcome(200, told.text, None, {}, [], {}, told.error, [])
    choices = [choice for message in told.messages for choice in message["choices"]]
    google: dict[str, Any] = {}
    for choice in choices:
        google |= choice["delta"].get("extra_content", {}).get("google", {})
    calls = [each for choice in choices for each in choice["delta"].get("tool_calls", [])]
    assert [choice["finish_reason"] for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert [bool(choice["delta"].get("role")) for choice in choices] == [True] + [False] * (len(choices) - 1)
    return Outcome(200, told.text, choices[-1]["finish_reason"], google, calls, told.messages[-1]["usage"], {}, [])


# A refused signature


def test_a_refused_signature_is_replaced_by_the_dummy_once(asking: Any) -> None:
    """The second native call has no true signature left; the caller sees an answer."""
    outcome = asking(REFUSED, FINE)

    assert (outcome.status, outcome.text, outcome.finish_reason) == (200, "It rains.", "stop")
    assert outcome.signatures == [SIGNATURE, DUMMY]
    assert outcome.tokens == (20, 10, 30)
    assert SIGNATURE not in str(outcome.bodies[1])


def test_a_signature_that_is_refused_twice_is_told(asking: Any) -> None:
    """The native error arrives with its status, its meaning and its place."""
    outcome = asking(REFUSED, REFUSED, FINE)

    assert outcome.status == 400
    assert outcome.error["code"] == "thought_signature_refused"
    assert outcome.error["param"] == "messages"
    assert "thought_signature" in outcome.error["message"]
    assert len(outcome.bodies) == 2


def test_where_nothing_can_be_replaced_there_is_no_second_call(asking: Any) -> None:
    """A conversation without calls has no signature to lose."""
    outcome = asking(REFUSED, FINE, messages=[ASKED])

    assert outcome.status == 400
    assert len(outcome.bodies) == 1


@pytest.mark.parametrize("refusal", [OVERLOADED, error_reply(400, "Something else is wrong.", "INVALID_ARGUMENT")])
def test_other_errors_are_not_repaired(asking: Any, refusal: dict[str, Any]) -> None:
    """They are told at once; the caller's own client repeats what may be repeated."""
    outcome = asking(refusal, FINE)

    assert outcome.status == refusal["error"]["code"]
    assert len(outcome.bodies) == 1


# Odd ends


@pytest.mark.parametrize("end", ODD_ENDS)
def test_an_empty_odd_ending_is_asked_again_once(asking: Any, end: str) -> None:
    """The same request; the caller sees the second answer and pays for both."""
    outcome = asking(ending(end), FINE)

    assert (outcome.status, outcome.text, outcome.finish_reason) == (200, "It rains.", "stop")
    assert outcome.tokens == (30, 14, 44)
    assert outcome.bodies[0] == outcome.bodies[1]
    assert "finish_reason" not in outcome.google


def test_the_second_try_may_call(asking: Any) -> None:
    """A malformed call is mended by a true one."""
    outcome = asking(ending("MALFORMED_FUNCTION_CALL"), reply(native_call(n=2)))

    assert outcome.finish_reason == "tool_calls"
    assert [each["function"] for each in outcome.calls] == [{"name": "look", "arguments": '{"n":2}'}]
    assert outcome.tokens == (20, 9, 29)


@pytest.mark.parametrize("end", ODD_ENDS[:-1])
def test_an_odd_ending_that_comes_twice_is_told_honestly(asking: Any, end: str) -> None:
    """Nothing is invented: no text, no call, the native reason beside OpenAI's nearest word."""
    outcome = asking(ending(end), ending(end), FINE)

    assert (outcome.status, outcome.text, outcome.calls) == (200, "", [])
    assert outcome.finish_reason == "stop"
    assert outcome.google["finish_reason"] == end
    assert outcome.google["finish_message"] == f"It ended with {end}."
    assert outcome.tokens == (20, 8, 28)
    assert len(outcome.bodies) == 2


def test_an_empty_answer_that_comes_twice_is_empty(asking: Any) -> None:
    """It is an answer all the same, and clients that read `content` find a text."""
    outcome = asking(ending("STOP"), ending("STOP"), FINE)

    assert (outcome.status, outcome.text, outcome.finish_reason) == (200, "", "stop")
    assert outcome.tokens == (20, 8, 28)


def test_a_missing_signature_in_the_answer_is_mended_with_the_dummy(asking: Any) -> None:
    """The model itself may stumble over a signature; the second call has the dummy in its place."""
    outcome = asking(ending("MISSING_THOUGHT_SIGNATURE"), FINE)

    assert outcome.text == "It rains."
    assert outcome.signatures == [SIGNATURE, DUMMY]
    assert outcome.tokens == (30, 14, 44)


def test_a_missing_signature_that_no_dummy_can_stand_for_is_told(asking: Any) -> None:
    """Without a call in the conversation the same request would only end the same way."""
    outcome = asking(ending("MISSING_THOUGHT_SIGNATURE"), FINE, messages=[ASKED])

    assert outcome.google["finish_reason"] == "MISSING_THOUGHT_SIGNATURE"
    assert len(outcome.bodies) == 1


@pytest.mark.parametrize("end", ["SAFETY", "MAX_TOKENS", "PROHIBITED_CONTENT"])
def test_an_ending_that_a_second_try_cannot_mend_is_told_at_once(asking: Any, end: str) -> None:
    """Filters and limits are meant; asking again would only cost."""
    outcome = asking(ending(end), FINE)

    assert outcome.finish_reason == ("length" if end == "MAX_TOKENS" else "content_filter")
    assert len(outcome.bodies) == 1
    assert outcome.tokens == (10, 4, 14)


def test_thoughts_and_texts_are_content(asking: Any) -> None:
    """After the first word, in thoughts too, nothing is asked again."""
    for part in ({"text": "Well, "}, {"text": "Let me see.", "thought": True}):
        outcome = asking(ending("MALFORMED_FUNCTION_CALL", part), FINE)

        assert len(outcome.bodies) == 1
        assert outcome.text == ("" if "thought" in part else "Well, ")
        assert outcome.finish_reason == "stop"
        assert outcome.google["finish_reason"] == "MALFORMED_FUNCTION_CALL"


# Both together, and errors behind a repair


def test_there_are_never_more_than_two_native_calls(asking: Any) -> None:
    """A refused signature and then a malformed call: the second ending is told as it is."""
    outcome = asking(REFUSED, ending("MALFORMED_FUNCTION_CALL"), FINE)
    other = asking(ending("MALFORMED_FUNCTION_CALL"), REFUSED, FINE)

    assert len(outcome.bodies) == len(other.bodies) == 2
    assert (outcome.status, outcome.google["finish_reason"]) == (200, "MALFORMED_FUNCTION_CALL")
    assert other.error["code"] == "thought_signature_refused"


def test_an_error_of_the_second_call_is_told(asking: Any) -> None:
    """Before the status is sent as a status, after it as the stream's last message."""
    outcome = asking(ending("MALFORMED_FUNCTION_CALL"), OVERLOADED, FINE)

    assert outcome.error["code"] == "overloaded"
    assert outcome.text == ""
    assert len(outcome.bodies) == 2


def test_the_log_names_what_was_repaired(upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of a request says which parameter was not taken as it came."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    upstream.reset()
    upstream.then(in_turn([FINE, REFUSED, FINE]))
    with pollux(upstream, access_log=True, data_dir=str(tmp_path)) as logging:
        for _ in range(2):
            chat(logging.url, messages=SIGNED, tools=[function()])
    plain, repaired = out.getvalue().splitlines()

    assert "lost=" not in plain
    assert repaired.endswith(" tokens=20+10 lost=messages=approximated")


def test_content_that_was_sent_is_never_taken_back(server: Pollux, upstream: FakeUpstream) -> None:
    """A stream that said something and then ends oddly ends there."""
    upstream.reset()
    upstream.then(in_turn([[reply({"text": "Well, "}, finish=None), ending("MALFORMED_FUNCTION_CALL")], FINE]))
    with Stream(server.url, messages=SIGNED, tools=[function()]) as stream:
        told = stream.whole()

    assert told.text == "Well, "
    assert told.data[-1] == b"[DONE]"
    assert len([sent for sent in upstream.paid() if sent.verb.endswith("enerateContent")]) == 1


def test_a_cut_call_is_not_a_finished_call(server: Pollux, upstream: FakeUpstream) -> None:
    """MAX_TOKENS in the middle of a call's arguments: `length`, whatever was called before."""
    piece = {"functionCall": {"name": "look", "willContinue": True}, "thoughtSignature": SIGNATURE}
    more = {
        "functionCall": {
            "partialArgs": [{"jsonPath": "$.city", "stringValue": "Par", "willContinue": True}],
            "willContinue": True,
        }
    }
    upstream.reset()
    upstream.then(
        in_turn([[reply(native_call(n=1), finish=None), reply(piece, finish=None), reply(more, finish="MAX_TOKENS")]])
    )
    with Stream(server.url, messages=[ASKED], tools=[function()]) as stream:
        told = stream.whole()
    choices = [choice for message in told.messages for choice in message["choices"]]

    assert choices[-1]["finish_reason"] == "length"
    assert [each["index"] for choice in choices for each in choice["delta"].get("tool_calls", []) if "id" in each] == [0, 1]
