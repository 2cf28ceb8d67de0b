"""What the native API refuses, in its words; and what the emulator cannot do yet, in its own."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.response_rules import TOO_MANY_STATES
from tests.emulator.in_process import KEY, PATH, STREAM, call, config, say

TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."

STRUCT = "type.googleapis.com/google.protobuf.Struct"

UNKNOWN = "Invalid JSON payload received. Unknown name "


def part(**fields: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [fields]}]}


SHAPES: list[tuple[Any, str, str]] = [
    (say(temperature=1), "", UNKNOWN + '"temperature": Cannot find field.'),
    (config(topN=1), "generation_config", UNKNOWN + "\"topN\" at 'generation_config': Cannot find field."),
    (
        {"contents": [{"parts": {"role": "user", "text": "a"}}]},
        "contents[0].parts[0]",
        UNKNOWN + "\"role\" at 'contents[0].parts[0]': Cannot find field.",
    ),
    (
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"a": {}, "b": {"const": 1}}}}]}]},
        "tools[0].function_declarations[0].parameters.properties[1].value",
        UNKNOWN + "\"const\" at 'tools[0].function_declarations[0].parameters.properties[1].value': Cannot find field.",
    ),
    (
        config(temperature="hot"),
        "generation_config.temperature",
        "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
    ),
    (
        config(maxOutputTokens=1.5),
        "generation_config.max_output_tokens",
        "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), 1.5",
    ),
    (config(seed=2**31), "generation_config.seed", "Invalid value at 'generation_config.seed' (TYPE_INT32), 2147483648"),
    (
        config(stopSequences=[5]),
        "generation_config.stop_sequences[0]",
        "Invalid value at 'generation_config.stop_sequences[0]' (TYPE_STRING), 5",
    ),
    (
        config(thinkingConfig={"thinkingLevel": "deep"}),
        "generation_config.thinking_config.thinking_level",
        f"Invalid value at 'generation_config.thinking_config.thinking_level' ({TYPES}ThinkingConfig.ThinkingLevel), \"deep\"",
    ),
    (
        {"contents": "Hello"},
        "contents[0]",
        f"Invalid value at 'contents[0]' ({TYPES}Content), \"Hello\"",
    ),
    (
        say(systemInstruction="Be brief."),
        "system_instruction",
        f"Invalid value at 'system_instruction' ({TYPES}Content), \"Be brief.\"",
    ),
    (
        say(systemInstruction=[]),
        "",
        UNKNOWN + '"systemInstruction": Proto field is not repeating, cannot start list.',
    ),
    (
        config(temperature=[1]),
        "generation_config",
        UNKNOWN + "\"temperature\" at 'generation_config': Proto field is not repeating, cannot start list.",
    ),
    (
        part(text={}),
        "contents[0].parts[0]",
        "Invalid value at 'contents[0].parts[0]' (text), Starting an object on a scalar field",
    ),
    (
        part(text="a", inline_data={"mimeType": "image/png", "data": "AA=="}),
        "contents[0].parts[0]",
        "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'inline_data'",
    ),
    (
        part(inlineData={"mimeType": "image/png", "data": "%%"}),
        "contents[0].parts[0].inline_data.data",
        "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"%%\"",
    ),
    (
        part(functionResponse={"name": "f", "response": "text"}),
        "contents[0].parts[0].function_response.response",
        f"Invalid value at 'contents[0].parts[0].function_response.response' ({STRUCT}), \"text\"",
    ),
    (say(labels=5), "labels", "Invalid value at 'labels' (type.googleapis.com/Map), 5"),
    (say(store="yes"), "store", "Invalid value at 'store' (TYPE_BOOL), \"yes\""),
    ([], "", UNKNOWN + '"": Root element must be a message.'),
]


@pytest.mark.parametrize(
    ("body", "field", "message"), SHAPES, ids=lambda value: None if isinstance(value, dict) else str(value)[:50]
)
async def test_wrong_shapes_are_refused_in_the_parsers_words(body: Any, field: str, message: str) -> None:
    """One 400 with a field violation; the field is snake_case, and missing at the root."""
    reply = await call(Emulator(), PATH, body)
    violation = {"field": field, "description": message} if field else {"description": message}

    assert reply.status == 400
    assert reply.json == {
        "error": {
            "code": 400,
            "message": message,
            "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}],
        }
    }


async def test_all_wrong_fields_are_told_at_once_but_not_endlessly() -> None:
    """One line and one violation each, at most a hundred."""
    two = await call(Emulator(), PATH, say(a=1, b=2))
    many = await call(Emulator(), PATH, {**say(), **{f"f{number}": 1 for number in range(5000)}})

    assert two.message.count("\n") == 1
    assert len(two.json["error"]["details"][0]["fieldViolations"]) == 2
    assert len(many.json["error"]["details"][0]["fieldViolations"]) == 100


JSON_MODE = config(responseMimeType="application/json")

REFERRING = {
    "$defs": {"Draft": {"type": "string"}},
    "title": "Letter",
    "$ref": "#/$defs/Letter",
    "properties": {"draft": {"$ref": "#/$defs/Draft", "description": "The first one"}},
}

NESTED = {"type": "array", "maxItems": 40, "items": {"type": "array", "maxItems": 25, "items": {"type": "string"}}}


def answered_by(schema: Any) -> dict[str, Any]:
    return config(responseMimeType="application/json", responseSchema=schema)


MEANINGS: list[tuple[str, Any, str]] = [
    ("gemini-3.6-flash", {}, "* GenerateContentRequest.contents: contents is not specified\n"),
    ("gemini-3.6-flash", {"contents": [{"role": "system", "parts": [{"text": "a"}]}]}, "Please use a valid role: user, model."),
    (
        "gemini-3.6-flash",
        {"contents": [{"parts": [{"text": "a"}]}, {"role": "model", "parts": []}, {"parts": [{"text": "b"}]}]},
        "* GenerateContentRequest.contents[1].parts: contents.parts must not be empty.\n",
    ),
    (
        "gemini-3.6-flash",
        part(),
        "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one initialized field\n",
    ),
    (
        "gemini-3.6-flash",
        config(temperature=2.1),
        "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n",
    ),
    ("gemini-3.6-flash", config(candidateCount=2), "Multiple candidates is not enabled for this model"),
    ("gemini-3.6-flash", config(presencePenalty=0.5), "Penalty is not enabled for models/gemini-3.6-flash"),
    (
        "gemini-3.8-flash",
        config(responseModalities=["TEXT", "image"]),
        ("The requested combination of response modalities (TEXT, IMAGE) is not supported by the model. models/gemini-3.8-"
        "flash accepts the following combination of response modalities:\n* TEXT\n"),
    ),
    (
        "gemini-2.5-flash",
        JSON_MODE | {"tools": [{"functionDeclarations": [{"name": "f"}]}]},
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    (
        "gemini-2.5-pro",
        JSON_MODE | {"tools": [{"googleSearch": {}}]},
        "Tool use with a response mime type: 'application/json' is unsupported",
    ),
    (
        "gemini-3.6-flash",
        config(responseMimeType="application/json", responseSchema={"type": "STRING"}, responseJsonSchema={}),
        "response_schema must not be set when response_json_schema is set.",
    ),
    (
        "gemini-3.6-flash",
        answered_by({"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "OBJECT"}}}, "required": ["b"]}),
        ("* GenerateContentRequest.generation_config.response_schema.required[0]: property is not defined\n"
        '* GenerateContentRequest.generation_config.response_schema.properties["a"].items.properties: should be non-empty for '
        "OBJECT type\n"),
    ),
    (
        "gemini-3.6-flash",
        answered_by({"type": "STRING", "properties": {"a": {"type": "INTEGER", "enum": ["1"]}}}),
        ("* GenerateContentRequest.generation_config.response_schema.properties: only allowed for OBJECT type\n"
        '* GenerateContentRequest.generation_config.response_schema.properties["a"].enum: only allowed for STRING type\n'),
    ),
    (
        "gemini-3.6-flash",
        config(responseMimeType="application/json", responseJsonSchema=REFERRING),
        "schema at properties.draft can only contain properties starting with '$' when $ref is present",
    ),
    ("gemini-2.5-flash", config(responseMimeType="application/json", responseJsonSchema=NESTED), TOO_MANY_STATES),
    (
        "gemini-3.8-flash",
        {**say(), "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": NESTED}]}]},
        "Request contains an invalid argument.",
    ),
    (
        "gemini-3.8-flash",
        say(safetySettings=[{"category": "HARM_CATEGORY_TOXICITY", "threshold": "BLOCK_NONE"}]),
        ("* GenerateContentRequest.safety_settings[0]: element predicate failed: $.category in "
        "(HarmCategory.HARM_CATEGORY_HATE_SPEECH, HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT, "
        "HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT, HarmCategory.HARM_CATEGORY_HARASSMENT, "
        "HarmCategory.HARM_CATEGORY_CIVIC_INTEGRITY)\n"),
    ),
    ("gemini-flash-latest", config(frequencyPenalty=-1), "Penalty is not enabled for models/gemini-3.8-flash"),
    ("gemini-2.5-flash", config(responseLogprobs=True), "Logprobs is not enabled for this model"),
    (
        "gemini-3.6-flash",
        config(thinkingConfig={"thinkingLevel": "low", "thinkingBudget": 5}),
        "You can only set only one of thinking budget and thinking level.",
    ),
    (
        "gemini-2.5-flash",
        config(thinkingConfig={"thinkingLevel": "low"}),
        "Thinking level is not supported for this model.",
    ),
    (
        "gemini-2.5-flash",
        config(responseMimeType="image/png"),
        (
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, "
            "`application/json`, `application/xml`, `application/yaml` and `text/x.enum`.\n"
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "body", "message"), MEANINGS, ids=lambda value: str(value)[:40])
async def test_wrong_meanings_are_refused_without_details(model: str, body: Any, message: str) -> None:
    """As recorded and quoted: INVALID_ARGUMENT and a sentence."""
    reply = await call(Emulator(), f"/v1beta/models/{model}:generateContent", body)

    assert reply.status == 400
    assert reply.json == {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("topP", 1.1, "top_p"),
        ("topK", -1, "top_k"),
        ("maxOutputTokens", 0, "max_output_tokens"),
        ("candidateCount", 9, "candidate_count"),
        ("candidateCount", 0, "candidate_count"),
        ("stopSequences", list("abcdef"), "stop_sequences"),
    ],
)
async def test_values_out_of_range_are_refused_by_field(name: str, value: Any, field: str) -> None:
    """The exact words are not known; the form is that of the temperature."""
    reply = await call(Emulator(), "/v1beta/models/gemini-2.5-flash:generateContent", config(**{name: value}))

    assert reply.status == 400
    assert reply.message.startswith(f"* GenerateContentRequest.generation_config.{field}: {field} ")


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("gemini-2.5-flash", False),
        ("gemini-3-flash-preview", False),
        ("gemini-3.5-flash", False),
        ("gemini-3.5-flash-lite", True),
        ("gemini-3.6-flash", True),
        ("gemini-4-hydrogen", True),
    ],
)
async def test_a_conversation_that_ends_with_the_model_is_refused_by_newer_families(model: str, refused: bool) -> None:
    """From 3.6 Flash and 3.5 Flash-Lite on; older ones continue it."""
    body = {"contents": [*say()["contents"], {"role": "model", "parts": [{"text": "Once"}]}]}
    reply = await call(Emulator(), f"/v1beta/models/{model}:generateContent", body)

    assert reply.status == (400 if refused else 200)
    if refused:
        assert reply.message == "Requests ending with a model turn are not supported."
    else:
        assert "continues" in reply.body.decode()


async def test_a_prompt_beyond_the_context_is_refused() -> None:
    """Recorded with gemini-2.5-flash, both for answers and for counting."""
    body = say("word " * 1_048_600)
    generated = await call(Emulator(), PATH, body)

    assert generated.message == "The input token count exceeds the maximum number of tokens allowed (1048576)."
    assert (await call(Emulator(), PATH.replace("generateContent", "countTokens"), body)).message == generated.message


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (say(tools=[{"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}]), "the tool computerUse"),
        (part(fileData={"fileUri": "gs://bucket/film.mp4"}), "fileData parts"),
        (config(responseMimeType="application/yaml"), "answers of the type application/yaml"),
    ],
    ids=str,
)
async def test_what_is_not_emulated_yet_says_that_it_is_the_emulators_limit(body: Any, what: str) -> None:
    """501, which the real service does not use here, and words that cannot be taken for the service's."""
    reply = await call(Emulator(), PATH, body)

    assert reply.status == 501
    assert reply.json["error"]["status"] == "UNIMPLEMENTED"
    assert reply.message == (
        f"The Pollux emulator does not imitate {what} yet. This is a limit of the emulator, not of the Gemini API."
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1beta/files", 501),
        ("GET", "/v1beta/generatedFiles", 501),
        ("POST", "/v1beta/models/gemini-3.6-flash:dance", 404),
        ("GET", "/v1beta/models/gemini-3.6-flash:generateContent", 404),
        ("POST", "/v2/models/gemini-3.6-flash:generateContent", 404),
        ("GET", "/v1beta//models", 404),
        ("GET", "/", 404),
    ],
)
async def test_other_routes_answer_with_googles_error_object(method: str, path: str, status: int) -> None:
    """Known collections of later issues: not yet. Everything else: not found."""
    reply = await call(Emulator(), path, say() if method == "POST" else None, method=method)

    assert reply.status == status
    assert reply.json["error"]["code"] == status
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"


@pytest.mark.parametrize(
    "data",
    [
        b'{"contents": [',
        b'{"contents": [{"parts": [{"text": "a"}]}],}',
        b"hello",
        b'{"contents": NaN}',
        b'"\xff"',
        b'{"a": "\x00"}',
        b"[" * 20_000,
    ],
)
async def test_bodies_that_are_no_json_are_a_400(data: bytes) -> None:
    """Cut, trailing comma, NaN, broken UTF-8, raw NUL, 20,000 levels: none reaches further, none is a 500."""
    reply = await call(Emulator(), PATH, data)

    assert reply.status == 400
    assert reply.message.startswith(("Invalid JSON payload received.", "Message too deep."))


async def test_deep_values_are_refused() -> None:
    """Protobuf's limit of a hundred levels, in messages and in free values."""
    schema: dict[str, Any] = {}
    value: Any = 1
    for _ in range(200):
        schema, value = {"items": schema}, [value]
    messages = await call(Emulator(), PATH, config(responseSchema=schema))
    free = await call(Emulator(), PATH, config(responseJsonSchema={"default": value}))

    assert messages.message == "Message too deep. Max recursion depth reached for key 'items'"
    assert free.message == "Message too deep. Max recursion depth reached for key 'response_json_schema'"


async def test_a_body_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the former limit; no more of it is kept."""
    monkeypatch.setattr("pollux.emulator.exchange.BODY_BYTES_MAX", 1000)
    reply = await call(Emulator(), PATH, say("a" * 2000))

    assert reply.status == 400
    assert reply.message == "Request payload size exceeds the limit: 1000 bytes."


async def test_an_error_of_a_plain_stream_comes_in_a_list() -> None:
    """Without alt=sse events come in an array, and so does an error before the first."""
    plain = await call(Emulator(), STREAM.removesuffix("?alt=sse"), {})
    sse = await call(Emulator(), STREAM, {})

    assert plain.json == [sse.json]
    assert sse.status == 400


@pytest.mark.parametrize(
    ("headers", "key", "query", "status", "reason"),
    [
        ({}, "", "", 403, ""),
        ({}, "invalid-key", "", 400, "API_KEY_INVALID"),
        ({}, "expired-key", "", 400, "API_KEY_INVALID"),
        ({}, "leaked-key", "", 403, ""),
        ({}, "denied-key", "", 403, ""),
        ({}, "disabled-key", "", 403, "SERVICE_DISABLED"),
        ({}, "location-key", "", 400, ""),
        ({"authorization": "Bearer " + KEY}, "", "", 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({"authorization": "Bearer ya29.token"}, KEY, "", 401, "OVERLOADED_CREDENTIALS"),
        ({"authorization": "Bearer ya29.token"}, "", f"&key={KEY}", 401, "OVERLOADED_CREDENTIALS"),
        ({"authorization": "Basic abc"}, "", "", 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({}, KEY, f"&key={KEY}", 400, ""),
        ({}, "", f"&key={KEY}", 200, ""),
        ({"authorization": "Bearer ya29.token"}, "", "", 200, ""),
        ({}, "", "&key=", 403, ""),
    ],
)
async def test_callers_are_told_apart(headers: dict[str, str], key: str, query: str, status: int, reason: str) -> None:
    """Missing, wrong, double and good credentials, as the service tells them."""
    reply = await call(Emulator(), f"{PATH}?alt=json{query}", say(), headers=headers, key=key)
    details = reply.json.get("error", {}).get("details", [])

    assert reply.status == status
    assert [detail["reason"] for detail in details if "reason" in detail] == ([reason] if reason else [])


async def test_an_invalid_key_is_told_as_recorded() -> None:
    """400 with ErrorInfo and LocalizedMessage."""
    reply = await call(Emulator(), PATH, say(), key="invalid")

    assert reply.message == "API key not valid. Please pass a valid API key."
    assert [detail["@type"].rpartition(".")[2] for detail in reply.json["error"]["details"]] == [
        "ErrorInfo",
        "LocalizedMessage",
    ]


async def test_unknown_query_parameters_are_refused() -> None:
    """In the words of Google's front end."""
    reply = await call(Emulator(), PATH + "?stream=true", say())

    assert reply.message == (
        'Invalid JSON payload received. Unknown name "stream": Cannot bind query parameter. '
        "Field 'stream' could not be found in request message."
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "* CountTokensRequest.contents: contents is not specified\n"),
        ({"contents": [{"role": "x", "parts": [{"text": "a"}]}]}, "Please use a valid role: user, model."),
        (
            {"generateContentRequest": say()},
            "* CountTokensRequest.generate_content_request.model: model is not specified\n",
        ),
        (
            {**say(), "generateContentRequest": {"model": "models/a", **say()}},
            "* CountTokensRequest.contents: contents and generate_content_request are exclusive\n",
        ),
    ],
)
async def test_counting_refuses_what_cannot_be_counted(body: Any, message: str) -> None:
    """In the form of its neighbours."""
    assert (await call(Emulator(), PATH.replace("generateContent", "countTokens"), body)).message == message
