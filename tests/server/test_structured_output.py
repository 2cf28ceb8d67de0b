"""Structured output: the answer is held against the caller's own schema, and a refused schema is tried again, simpler."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.server.asking import Pollux, chat, pollux
from tests.server.calling import function, in_turn, native_call, reply
from tests.server.fake import FakeUpstream, error_reply

SCHEMA = {
    "type": "object",
    "properties": {
        "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
        "rooms": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["zip"],
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "home", "schema": SCHEMA}}
BOUNDED = {"type": "json_schema", "json_schema": {"name": "many", "schema": {"type": "array", "maxItems": 500, "items": {}}}}

TOO_MANY_STATES = error_reply(
    400, "The specified schema produces a constraint that has too many states for serving.", "INVALID_ARGUMENT"
)
UNEXPLAINED = error_reply(400, "Request contains an invalid argument.", "INVALID_ARGUMENT")


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


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, server: Pollux, upstream: FakeUpstream) -> Any:
    """A function that scripts the native answers, asks with the report in the body, and gives status, text and losses."""

    def asked(*answers: Any, **parameters: Any) -> tuple[int, str, list[dict[str, Any]]]:
        upstream.reset()
        upstream.then(in_turn(answers))
        answer = chat(server.url, stream=request.param, headers={"x-pollux-report": "body"}, **parameters)
        if answer.status != 200:
            return answer.status, answer.error["code"], []
        if not request.param:
            return 200, answer.json["choices"][0]["message"]["content"], answer.json["extra_content"]["pollux"]["losses"]
        chunks = [
            msgspec.json.decode(line.removeprefix(b"data: "))
            for line in answer.body.split(b"\n\n")
            if line.startswith(b"data: {")
        ]
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        return 200, text, chunks[-1]["extra_content"]["pollux"]["losses"]

    return asked


def mismatches(losses: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Give what did not hold to what was asked for."""
    return [(loss["param"], loss["why"]) for loss in losses if loss["fate"] == "mismatch"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"zip":"12345"}', None),
        ('{"zip":"1234"}', "the answer does not satisfy the schema: pattern at zip"),
        ('{"zip":"12345","rooms":[1,"two"]}', "the answer does not satisfy the schema: type at rooms[1]"),
        ("{}", "the answer does not satisfy the schema: required at the root"),
        ('```json\n{"zip":"12345"}\n```', "the answer is not valid JSON"),
    ],
)
def test_a_mismatch_is_reported_and_the_answer_stays(ask: Any, text: str, why: str | None) -> None:
    """What the service was only told (here a pattern) is checked too, and nothing is changed."""
    status, said, losses = ask(reply({"text": text}), response_format=FORMAT)

    assert (status, said) == (200, text)
    assert mismatches(losses) == ([("response_format", why)] if why else [])


@pytest.mark.parametrize(
    ("schema", "good", "bad", "where"),
    [
        ({"type": "array", "items": [{"type": "string"}], "additionalItems": False}, '["a"]', '["a",1]', "additionalItems"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, "2", "1", "exclusiveMinimum"),
    ],
    ids=["a tuple of draft 7", "a bound of draft 4"],
)
def test_schemas_of_old_drafts_that_do_not_say_so_are_checked(ask: Any, schema: Any, good: str, bad: str, where: str) -> None:
    """Libraries write them without `$schema`; read as the newest draft they are no schemas."""
    asked = {"type": "json_schema", "json_schema": {"name": "old", "schema": schema}}

    assert mismatches(ask(reply({"text": good}), response_format=asked)[2]) == []
    assert mismatches(ask(reply({"text": bad}), response_format=asked)[2]) == [
        ("response_format", f"the answer does not satisfy the schema: {where} at the root")
    ]


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
def test_an_answer_that_was_cut_is_no_mismatch(ask: Any, reason: str) -> None:
    """It says by its finish reason that it is not whole."""
    _, said, losses = ask(reply({"text": '{"zip":"12'}, finish=reason), response_format=FORMAT)

    assert said == '{"zip":"12'
    assert mismatches(losses) == []


@pytest.mark.parametrize(("text", "why"), [('{"a":1}', None), ("[1]", "is no JSON object"), ("Yes.", "is not valid JSON")])
def test_json_without_a_schema_is_an_object(ask: Any, text: str, why: str | None) -> None:
    """`json_object` promises one."""
    _, _, losses = ask(reply({"text": text}), response_format={"type": "json_object"})

    assert mismatches(losses) == ([("response_format", f"the answer {why}")] if why else [])


def test_the_arguments_of_a_call_are_checked(ask: Any) -> None:
    """Against the function's own parameters; the note names them."""
    declared = function(parameters=SCHEMA) | {"type": "function"}
    declared["function"]["parameters"] = SCHEMA
    _, _, losses = ask(reply(native_call(zip="12")), tools=[declared])

    assert mismatches(losses) == [
        (
            "tools[0].function.parameters",
            "the answer calls the function with what does not satisfy the schema: pattern at zip",
        )
    ]


@pytest.mark.parametrize("refusal", [TOO_MANY_STATES, UNEXPLAINED], ids=["too many states", "unexplained"])
def test_a_refused_schema_is_tried_once_more_simpler(ask: Any, upstream: FakeUpstream, refusal: Any) -> None:
    """The bounds go into the description; the report says so; the answer is held against the caller's schema all the same."""
    status, said, losses = ask(refusal, reply({"text": "[1]"}), response_format=BOUNDED)
    first, second = [sent.json["generationConfig"]["responseJsonSchema"] for sent in upstream.paid()]

    assert (status, said) == (200, "[1]")
    assert first == {"title": "many", "type": "array", "maxItems": 500, "items": {}}
    assert second == {"title": "many", "type": "array", "items": {}, "description": "Items: 500 or less."}
    assert [(loss["code"], loss["why"][:38]) for loss in losses] == [
        ("response_format=approximated", "the service refused the schema as too ")
    ]


def test_a_schema_is_made_simpler_only_once(ask: Any, upstream: FakeUpstream) -> None:
    """A second refusal is told."""
    status, code, _ = ask(TOO_MANY_STATES, TOO_MANY_STATES, response_format=BOUNDED)

    assert (status, code) == (400, "schema_refused")
    assert len(upstream.paid()) == 2


def test_what_is_simple_already_is_not_tried_again(ask: Any, upstream: FakeUpstream) -> None:
    """The refusal is told at once."""
    status, code, _ = ask(UNEXPLAINED, response_format={"type": "json_object"})

    assert (status, code) == (400, "invalid_value")
    assert len(upstream.paid()) == 1
