"""The order of calls and results, and what is refused in tools and their settings, in the service's words."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.signatures import DUMMIES
from tests.emulator.functions import GEMINI_2, GEMINI_3, TIME, WEATHER, answered, ask, asking, parts_of, user
from tests.emulator.in_process import PATH, call

CALL_ORDER = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
RESPONSE_ORDER = "Please ensure that function response turn comes immediately after a function call turn."
RESPONSE_COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the function "
    "call turn."
)


def calling(*names: str) -> dict[str, Any]:
    return {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}} for name in names]}


def result(*names: str) -> dict[str, Any]:
    return user(*({"functionResponse": {"name": name, "response": {"ok": True}}} for name in names))


def model(text: str = "Yes.") -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": text}]}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([user("Hi"), calling("f", "g"), result("f")], RESPONSE_COUNT),
        ([user("Hi"), calling("f", "g"), result("f"), result("g")], RESPONSE_COUNT),
        ([user("Hi"), calling("f"), result("f", "f")], RESPONSE_COUNT),
        ([user("Hi"), calling("f"), user("Never mind")], RESPONSE_COUNT),
        ([user("Hi"), calling("f"), model(), result("f")], None),
        ([user("Hi"), result("f")], RESPONSE_ORDER),
        ([result("f")], RESPONSE_ORDER),
        ([user("Hi"), model(), result("f")], RESPONSE_ORDER),
        ([user("Hi"), calling("f"), result("f"), result("f")], RESPONSE_ORDER),
        ([calling("f"), result("f")], CALL_ORDER),
        ([user("Hi", calling("f")["parts"][0]), result("f")], CALL_ORDER),
        ([user("Hi"), calling("f"), calling("g"), result("f", "g")], None),
        ([user("Hi"), calling("f"), result("f"), calling("g"), result("g")], None),
        ([user("Hi"), calling("f"), user(*result("f")["parts"], "Be brief.")], None),
        ([user("Hi"), {"role": "model", "parts": [{"text": "I look."}, *calling("f")["parts"]]}, result("f")], None),
    ],
)
async def test_calls_and_results_stand_in_order(contents: Any, message: str | None) -> None:
    """Every call has its result in the next content; model contents in a row are one step (recorded)."""
    reply = await ask({"contents": contents}, GEMINI_2)

    assert (reply.status, reply.json.get("error", {}).get("message")) == (400 if message else 200, message)


async def test_names_are_needed() -> None:
    """Of calls and of results, each with its place."""
    body = {"contents": [user("Hi"), calling(""), user({"functionResponse": {"response": {}}})]}
    reply = await ask(body, GEMINI_2)

    assert reply.message == (
        "* GenerateContentRequest.contents[1].parts[0].function_call.name: Name cannot be empty.\n"
        "* GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.\n"
    )


async def test_a_result_is_an_object() -> None:
    """A bare text is refused by the parser."""
    part = {"functionResponse": {"name": "f", "response": "sunny"}}
    reply = await ask({"contents": [user("Hi"), calling("f"), user(part)]}, GEMINI_2)

    assert reply.message == (
        "Invalid value at 'contents[2].parts[0].function_response.response' "
        '(type.googleapis.com/google.protobuf.Struct), "sunny"'
    )


def named(name: str) -> dict[str, Any]:
    return {"name": name}


def schema(**fields: Any) -> dict[str, Any]:
    return {"name": "f", "parameters": {"type": "object", "properties": {"a": fields}}}


WHERE = "* GenerateContentRequest.tools[0].function_declarations[0]."

BAD_NAME = (
    WHERE + "name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), "
    "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n"
)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([named("1st")], BAD_NAME),
        ([named("a b")], BAD_NAME),
        ([named("ฟังก์ชัน")], BAD_NAME),
        ([named("a" * 129)], BAD_NAME),
        ([named("")], BAD_NAME),
        ([named("a" * 128)], None),
        ([named("_a.b:c-d")], None),
        ([named("f"), named("g"), named("f")], "Duplicate function declaration found: f"),
        ([schema(type="integer", enum=["1"])], WHERE + "parameters.properties[a].enum: only allowed for STRING type\n"),
        ([schema(type="array")], WHERE + "parameters.properties[a].items: missing field.\n"),
        ([schema(type="object", required=["b"])], WHERE + "parameters.properties[a].required[0]: property is not defined\n"),
        ([schema(type="object", properties={})], None),
        ([{"name": "f", "parametersJsonSchema": {"type": "object", "required": ["b"], "$defs": {}}}], None),
        ([{**schema(type="string"), "parametersJsonSchema": {}}],
         WHERE + "parameters_json_schema: mutually exclusive with parameters\n"),
    ],
)  # fmt: skip
async def test_declarations_are_checked(functions: Any, message: str | None) -> None:
    """Names, names twice, and what Google's Schema does not allow; JSON Schema is taken as it is."""
    reply = await ask({"contents": [user("Hi")], "tools": [{"functionDeclarations": functions}]})

    assert (reply.status, reply.json.get("error", {}).get("message")) == (400 if message else 200, message)


ALLOWED = "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: "


@pytest.mark.parametrize(
    ("tools", "config", "used", "message"),
    [
        ([], {"mode": "AUTO"}, GEMINI_3, "Function calling config is set without function_declarations."),
        ([{"googleSearch": {}}], {"mode": "AUTO"}, GEMINI_2, "Function calling config is set without function_declarations."),
        ([{"googleSearch": {}}], {"mode": "AUTO"}, GEMINI_3, None),
        ([{"functionDeclarations": [TIME]}], {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}, GEMINI_3,
         ALLOWED + "get_weather is not in function_declarations.\n"),
        ([{"functionDeclarations": [TIME]}], {"allowedFunctionNames": ["get_time"]}, GEMINI_3,
         ALLOWED + "allowed_function_names is only supported in the modes ANY and VALIDATED.\n"),
        ([{"functionDeclarations": [TIME]}], {"mode": "validated", "allowedFunctionNames": ["get_time"]}, GEMINI_3, None),
        ([{"googleSearch": {}}, {"functionDeclarations": [TIME]}], None, GEMINI_2,
         "Tool use with function calling is unsupported by the model."),
        ([{"googleSearch": {}, "functionDeclarations": [TIME]}], None, GEMINI_3,
         "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."),
    ],
)  # fmt: skip
async def test_settings_are_checked(tools: Any, config: Any, used: str, message: str | None) -> None:
    """What stands beside what, and on which family."""
    body = {"contents": [user("Hi")], "tools": tools, **({"toolConfig": {"functionCallingConfig": config}} if config else {})}
    reply = await ask(body, used)

    assert (reply.status, reply.json.get("error", {}).get("message")) == (400 if message else 200, message)


async def test_count_tokens_counts_what_the_prompt_counts() -> None:
    """Declarations, calls and results."""
    body = asking("weather in Oslo?")
    body = answered(body, await parts_of(body))
    path = PATH.replace("generateContent", "countTokens")
    counted = await call(Emulator(), path, {"generateContentRequest": {"model": "models/x", **body}})
    without = await call(Emulator(), path, {"contents": body["contents"]})

    assert counted.json["totalTokens"] == (await ask(body)).json["usageMetadata"]["promptTokenCount"]
    assert counted.json["totalTokens"] > without.json["totalTokens"] > 5


async def test_a_longer_result_counts_more() -> None:
    """Word by word."""
    body = asking("weather in Oslo?")
    parts = await parts_of(body)
    short, long = [(await ask(answered(body, parts, {"text": "rain " * n}))).json["usageMetadata"] for n in (1, 51)]

    assert long["promptTokenCount"] - short["promptTokenCount"] == 50


async def test_the_journal_shows_calls_and_results() -> None:
    """Whoever tests a proxy sees what it sent."""
    emulator = Emulator()
    body = asking("weather in Oslo?", WEATHER)
    body = answered(body, await parts_of(body, emulator=emulator))
    await ask(body, emulator=emulator)
    kept = emulator.journal.entries()[1]["body"]

    assert kept["contents"][1]["parts"][0]["functionCall"]["args"] == {"location": "Oslo"}
    assert kept["contents"][2]["parts"][0]["functionResponse"]["name"] == "get_weather"
    assert kept["tools"] == [{"functionDeclarations": [WEATHER]}]


async def test_a_thousand_tools_and_five_hundred_messages_are_answered() -> None:
    """Large agents are no reason to fail."""
    functions = [{"name": f"tool_{number}", "description": f"Does thing {number}"} for number in range(999)]
    body = asking("Call tool_77 in 99 rounds, each with 2 parallel calls", *functions, WEATHER)
    for _ in range(99):
        body = answered(body, [{"functionCall": {"name": "tool_77"}, "thoughtSignature": DUMMIES[0]}] * 2)
    reply = await ask(body)

    assert len(body["contents"]) == 199
    assert "2 results arrived" in reply.json["candidates"][0]["content"]["parts"][0]["text"]
