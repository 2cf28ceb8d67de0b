"""Tools over HTTP: what is wrong is named, what can be repaired is, and signatures stay with their owners."""

from collections.abc import Iterator
from typing import Any

import pytest

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.signatures import is_dummy
from tests.server.asking import MODEL, Pollux, Stream, chat, pollux
from tests.server.calling import (
    ASKED,
    DUMMY,
    SIGNATURE,
    call,
    called,
    function,
    in_turn,
    native_call,
    reply,
    result,
)
from tests.server.fake import FakeUpstream

ANOTHER_KEY = "AIza-the-key-of-another-caller-9876543210"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _forget(upstream: FakeUpstream) -> None:
    upstream.reset()


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """The server."""
    with pollux(upstream, data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pollux, Emulator]]:
    """A server whose upstream refuses what the real service refuses."""
    data = str(tmp_path_factory.mktemp("data"))
    with EmulatorServer(Emulator()) as emulator, pollux(emulator.url, upstream="emulator", data_dir=data) as running:
        yield running, emulator.emulator


def sent(upstream: FakeUpstream) -> list[Any]:
    """Give the bodies of the native calls for an answer."""
    return [request.json for request in upstream.paid() if request.verb.endswith("enerateContent")]


def contents_of(upstream: FakeUpstream) -> list[Any]:
    """Give the contents of the one native call."""
    [body] = sent(upstream)
    return list(body["contents"])


# What is refused, before anything is paid

DEEP: dict[str, Any] = {"type": "object"}
for _ in range(60):
    DEEP = {"type": "object", "properties": {"in": DEEP}}

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("a thousand tools", {"tools": [function(f"look_{i}") for i in range(1000)]}, "tools", "more than 512 functions"),
    ("one name twice", {"tools": [function(), function()]}, "tools[1].function.name", "'look' is given twice"),
    ("no name", {"tools": [function("")]}, "tools[0].function.name", "missing"),
    ("a name that is no text", {"tools": [{"type": "function", "function": {"name": 7}}]}, "tools[0].function.name", "missing"),
    ("no function", {"tools": [{"type": "function"}]}, "tools[0].function", "must be an object"),
    ("no list", {"tools": {"type": "function"}}, "tools", "a list"),
    ("an unknown kind", {"tools": [{"type": "retrieval"}]}, "tools[0].type", "'retrieval'"),
    ("parameters that are no schema", {"tools": [function(parameters="x")]}, "tools[0].function.parameters", "JSON Schema"),
    ("a schema too deep", {"tools": [function(parameters=DEEP)]}, "", "100"),
    ("a choice without tools", {"tool_choice": "required"}, "tool_choice", "no tools"),
    (
        "a choice of another tool",
        {"tools": [function()], "tool_choice": {"type": "function", "function": {"name": "jump"}}},
        "tool_choice",
        "'jump'",
    ),
    (
        "allowed tools that are none",
        {"tools": [function()], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        "tool_choice.allowed_tools.tools",
        "names no function",
    ),
    ("an odd choice", {"tools": [function()], "tool_choice": "maybe"}, "tool_choice", "maybe"),
    ("tools and functions", {"tools": [function()], "functions": [{"name": "a"}]}, "functions", "use tools"),
    (
        "a call without a function",
        {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}]},
        "messages[1].tool_calls[0].function",
        "missing",
    ),
    (
        "arguments that are no text",
        {
            "messages": [
                ASKED,
                {"role": "assistant", "tool_calls": [call("a") | {"function": {"name": "look", "arguments": {}}}]},
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
        "a text",
    ),
]


@pytest.mark.parametrize(("parameters", "param", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_named(
    server: Pollux, upstream: FakeUpstream, parameters: dict[str, Any], param: str, words: str
) -> None:
    """A 400 in OpenAI's form says which part it is, whole and streamed alike; nothing was asked of Gemini."""
    whole = chat(server.url, **parameters)
    with Stream(server.url, **parameters) as stream:
        streamed = stream.whole()

    assert whole.status == streamed.status == 400
    assert whole.error["type"] == "invalid_request_error"
    assert (whole.error["param"] or "").startswith(param)
    assert words in whole.error["message"]
    assert sent(upstream) == []


# What is repaired


def test_as_many_tools_as_are_taken_arrive(server: Pollux, upstream: FakeUpstream) -> None:
    """512 functions are sent in one tool, in order."""
    names = [f"look_{i}" for i in range(512)]
    answer = chat(server.url, tools=[function(name) for name in names])
    [body] = sent(upstream)
    [tool] = body["tools"]

    assert answer.status == 200
    assert [each["name"] for each in tool["functionDeclarations"]] == names


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("{city: Paris}", {"arguments": "{city: Paris}"}),
        ('{"city": "Par', {"arguments": '{"city": "Par'}),
        ('["Paris"]', {"arguments": '["Paris"]'}),
        ("7", {"arguments": "7"}),
        ("[" * 5000, {"arguments": "[" * 5000}),
        ("", {}),
        (" ", {}),
        ('{"city": "Paris", "city": "Rome"}', {"city": "Rome"}),
    ],
)
def test_arguments_that_are_no_object_are_told_as_a_text(
    server: Pollux, upstream: FakeUpstream, arguments: str, args: dict[str, Any]
) -> None:
    """The model has to see what it did; none at all are an empty object."""
    answer = chat(server.url, messages=[ASKED, called(call("a", arguments=arguments)), result("a")])
    [_, calling, _] = contents_of(upstream)

    assert answer.status == 200
    assert calling["parts"][0]["functionCall"]["args"] == args


def test_ids_that_come_twice_take_their_results_in_order(server: Pollux, upstream: FakeUpstream) -> None:
    """Some clients number the calls of each step anew; a result belongs to the last call before it that has none."""
    twice = called(call("a", arguments='{"n":1}'), call("a", arguments='{"n":2}'))
    answer = chat(
        server.url,
        messages=[
            ASKED,
            twice,
            result("a", "one"),
            result("a", "two"),
            called(call("a", arguments='{"n":3}')),
            result("a", "three"),
        ],
    )
    contents = contents_of(upstream)
    results = [
        part["functionResponse"]["response"]["output"] for content in (contents[2], contents[4]) for part in content["parts"]
    ]

    assert answer.status == 200
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    assert results == ["one", "two", "three"]


def test_a_result_without_a_call_is_told_as_a_text(server: Pollux, upstream: FakeUpstream) -> None:
    """The service would refuse it; the model still sees it."""
    answer = chat(server.url, messages=[ASKED, result("nobody", "It rains."), {"role": "user", "content": "So?"}])
    [asking] = contents_of(upstream)

    assert answer.status == 200
    assert [part["text"] for part in asking["parts"]] == ["Look, please.", "Result of nobody:", "It rains.", "So?"]


def test_a_call_without_a_result_gets_one_that_says_so(server: Pollux, upstream: FakeUpstream) -> None:
    """The service wants as many results as calls; the caller's own keep their places."""
    answer = chat(server.url, messages=[ASKED, called(call("a"), call("b"), call("c")), result("b", '{"seen": 2}')])
    [_, _, answered] = contents_of(upstream)
    responses = [(part["functionResponse"]["id"], part["functionResponse"]["response"]) for part in answered["parts"]]

    assert answer.status == 200
    assert responses == [
        ("a", {"error": "No result was given for this call."}),
        ("b", {"seen": 2}),
        ("c", {"error": "No result was given for this call."}),
    ]


LONG, THAI = "look_" + "at_" * 98 + "it", "ดูสภาพอากาศ"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [LONG, THAI, "1st.look at/it", "ok:name.is-kept"])
def test_names_that_gemini_does_not_take_come_back_as_they_were(
    strict: tuple[Pollux, Emulator], name: str, streamed: bool
) -> None:
    """300 characters, Thai, spaces: the caller sees only its own names, in calls and after results."""
    server, emulator = strict
    emulator.reset()
    tools = [function(name, description="Look at the weather in a city.")]
    choice = {"type": "function", "function": {"name": name}}
    asked: list[Any] = [{"role": "user", "content": "Look at the weather in the city."}]
    first = message_of(server, streamed, messages=asked, tools=tools, tool_choice=choice)
    [made] = first["tool_calls"]
    then = message_of(server, streamed, messages=[*asked, called(made), result(made["id"], "It rains.")], tools=tools)
    *_, body = [entry["body"] for entry in emulator.journal.entries() if entry["method"] == "POST"]
    native = body["contents"][1]["parts"][0]["functionCall"]["name"]

    assert made["function"]["name"] == name
    assert "It rains." in then["content"]
    assert native == body["contents"][2]["parts"][0]["functionResponse"]["name"]
    assert native == body["tools"][0]["functionDeclarations"][0]["name"]
    assert native.isascii()
    assert len(native) <= 128
    assert (native == name) == (name == "ok:name.is-kept")


def message_of(server: Pollux, streamed: bool, **parameters: Any) -> dict[str, Any]:
    """Ask, and give the message; a stream's calls come whole here."""
    if not streamed:
        answer = chat(server.url, **parameters)
        assert answer.status == 200, answer.body
        message: dict[str, Any] = answer.json["choices"][0]["message"]
        return message
    with Stream(server.url, **parameters) as stream:
        told = stream.whole()
    assert told.status == 200, told.sends
    deltas = [choice["delta"] for chunk in told.messages for choice in chunk["choices"]]
    return {"content": told.text, "tool_calls": [made for delta in deltas for made in delta.get("tool_calls", [])]}


# Whose signature it is


def first_call(server: Pollux, upstream: FakeUpstream, n: int) -> dict[str, Any]:
    """Let the model call once, signed; give the call without its signature. Each test has a number of its own."""
    upstream.then(in_turn([reply(native_call(n=n))]))
    [made] = chat(server.url, messages=[ASKED], tools=[function()]).json["choices"][0]["message"]["tool_calls"]
    assert made["extra_content"] == {"google": {"thought_signature": SIGNATURE}}
    upstream.reset()
    return {"id": made["id"], "type": "function", "function": made["function"]}


def signature_of(
    server: Pollux, upstream: FakeUpstream, sent_back: dict[str, Any], *, asked: str = "Look, please.", **parameters: Any
) -> str | None:
    """Send a call back with its result; give the signature that it goes to Gemini with."""
    messages = [{"role": "user", "content": asked}, called(sent_back), result(sent_back["id"])]
    answer = chat(server.url, messages=messages, tools=[function()], **parameters)
    assert answer.status == 200
    part = contents_of(upstream)[1]["parts"][0]
    assert part["functionCall"]["id"] == sent_back["id"]
    upstream.reset()
    signature: str | None = part.get("thoughtSignature")
    return signature


def test_a_dropped_signature_is_found_by_the_id_or_by_the_conversation(server: Pollux, upstream: FakeUpstream) -> None:
    """Either may change: agents shorten their history, frameworks replace ids. When both did, the turn is not known."""
    made = first_call(server, upstream, 1)
    renamed = made | {"id": "call_1"}

    assert signature_of(server, upstream, made) == SIGNATURE
    assert signature_of(server, upstream, made, asked="(shortened)") == SIGNATURE
    assert signature_of(server, upstream, renamed) == SIGNATURE
    assert signature_of(server, upstream, renamed, asked="(shortened)") == DUMMY


def test_somebody_elses_call_id_finds_nothing(server: Pollux, upstream: FakeUpstream) -> None:
    """Neither by the id nor by the same conversation: exactly what happens with an id that nobody has."""
    made = first_call(server, upstream, 2)
    bodies = []
    for call_id in (made["id"], "call_" + "0" * 27):
        messages = [ASKED, called(made | {"id": call_id}), result(call_id)]
        chat(server.url, messages=messages, tools=[function()], key=ANOTHER_KEY)
        bodies += [upstream.paid()[-1].body.replace(call_id.encode(), b"ID")]

    assert bodies[0] == bodies[1]
    assert DUMMY.encode() in bodies[0]
    assert SIGNATURE.encode() not in bodies[0]


@pytest.mark.parametrize(
    "edit", [{"name": "look", "arguments": '{"n":4}'}, {"name": "jump", "arguments": '{"n":3}'}], ids=["arguments", "name"]
)
def test_an_edited_call_is_not_given_the_signature_of_the_true_one(
    server: Pollux, upstream: FakeUpstream, edit: dict[str, str]
) -> None:
    """History may be edited; a signature stays with what it was made for."""
    made = first_call(server, upstream, 3)

    assert signature_of(server, upstream, made) == SIGNATURE
    assert signature_of(server, upstream, made | {"function": edit}) == DUMMY


def test_arguments_may_be_spelled_anew(server: Pollux, upstream: FakeUpstream) -> None:
    """Clients parse and write them again: spaces and 1.0 for 1 are no edit."""
    made = first_call(server, upstream, 5)
    spelled = made | {"function": {"name": "look", "arguments": '{ "n" : 5.0 }'}}

    assert signature_of(server, upstream, spelled) == SIGNATURE


def test_another_model_family_gets_no_signature_of_this_one(server: Pollux, upstream: FakeUpstream) -> None:
    """It could not read it, and would refuse it. A family that needs none gets none."""
    made = first_call(server, upstream, 6)

    assert signature_of(server, upstream, made, model="gemini-3.1-pro-preview") == DUMMY
    assert signature_of(server, upstream, made, model="gemini-2.5-flash-preview") is None


def test_a_signature_moved_to_another_call_is_refused_and_repaired(strict: tuple[Pollux, Emulator]) -> None:
    """The service says that it is corrupt; one second call, with the dummy in its place, answers."""
    server, emulator = strict
    asked = {"role": "user", "content": "Call look for Paris and for Rome."}
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [function(parameters=city)]
    message = chat(server.url, messages=[asked], tools=tools).json["choices"][0]["message"]
    one, other = message["tool_calls"]
    moved = [other | {"extra_content": one["extra_content"]}, one | {"extra_content": {}}]
    emulator.reset()
    answer = chat(server.url, messages=[asked, called(*moved), result(one["id"]), result(other["id"])], tools=tools)
    entries = [entry for entry in emulator.journal.entries() if entry["method"] == "POST"]
    signatures = [entry["body"]["contents"][1]["parts"][0]["thoughtSignature"] for entry in entries]

    assert answer.status == 200
    assert "2 results arrived" in answer.json["choices"][0]["message"]["content"]
    assert [entry["status"] for entry in entries] == [400, 200]
    assert [is_dummy(signature) for signature in signatures] == [False, True]


def test_calls_of_another_vendors_model_go_with_the_dummy(strict: tuple[Pollux, Emulator]) -> None:
    """A conversation that began elsewhere goes on here, in one call, and the log says what was lost."""
    server, emulator = strict
    emulator.reset()
    messages = [ASKED, called(call("call_fromelsewhere", arguments='{"n":1}')), result("call_fromelsewhere", "It rains.")]
    answer = chat(server.url, messages=messages, tools=[function()], model=MODEL)
    [entry] = [entry for entry in emulator.journal.entries() if entry["method"] == "POST"]

    assert answer.status == 200
    assert entry["body"]["contents"][1]["parts"][0]["thoughtSignature"] == DUMMY
