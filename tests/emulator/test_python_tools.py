"""Google's own Python client with functions and tools: automatic calls, chats with signed histories, whole and streamed."""

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import EmulatorServer
from tests.emulator.functions import GEMINI_2, GEMINI_3

MODELS = [GEMINI_3, GEMINI_2, "gemini-3.8-flash", "gemini-4-hydrogen"]


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    with EmulatorServer() as server, genai.Client(api_key="any", http_options=types.HttpOptions(base_url=server.url)) as opened:
        yield opened


def recording(asked: list[str]) -> Any:
    def get_weather(location: str) -> dict[str, str]:
        """Get the weather of a place."""
        asked.append(location)
        return {"weather": f"sunny in {location}"}

    return get_weather


@pytest.mark.parametrize("model", MODELS)
def test_functions_are_called_automatically(client: genai.Client, model: str) -> None:
    """The client runs a Python function, sends its result, and gets the text that tells it."""
    asked: list[str] = []
    config = types.GenerateContentConfig(tools=[recording(asked)])
    answer = client.models.generate_content(model=model, contents="What's the weather in Chicago and in Boston?", config=config)

    assert asked == ["Chicago", "Boston"]
    assert "sunny in Chicago" in (answer.text or "")
    assert "sunny in Boston" in (answer.text or "")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_chat_keeps_its_signatures(client: genai.Client, model: str, streamed: bool) -> None:
    """Ten rounds of parallel calls in one chat, then another question."""
    declared = types.FunctionDeclaration(
        name="get_weather",
        description="Get the weather of a place",
        parameters_json_schema={"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    )
    chat = client.chats.create(
        model=model, config=types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    )

    def send(message: Any) -> tuple[list[types.FunctionCall], str]:
        if not streamed:
            answer = chat.send_message(message)
            return answer.function_calls or [], "" if answer.function_calls else answer.text or ""
        calls: list[types.FunctionCall] = []
        texts: list[str] = []
        for chunk in chat.send_message_stream(message):
            calls += chunk.function_calls or []
            parts = chunk.candidates[0].content.parts if chunk.candidates and chunk.candidates[0].content else []
            texts += [part.text for part in parts or [] if part.text]
        return calls, "".join(texts)

    calls, text = send("Call get_weather in 10 rounds, each with 3 parallel calls, for Paris, Rome and Oslo")
    rounds = []
    while calls:
        rounds.append([call.args["location"] for call in calls if call.args])
        calls, text = send([
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"}))
            for call in calls
        ])  # fmt: skip
    after, _ = send("And the weather in Bern?")

    assert rounds == [["Paris", "Rome", "Oslo"]] * 10
    assert "3 results arrived" in text
    assert [call.args for call in after] == [{"location": "Bern"}]


def test_a_lost_signature_is_a_client_error(client: genai.Client) -> None:
    """400, in the service's words."""
    call = types.Part(function_call=types.FunctionCall(name="f", args={}))
    result = types.Part(function_response=types.FunctionResponse(name="f", response={"output": 1}))
    contents = [
        types.Content(role="user", parts=[types.Part(text="Hi")]),
        types.Content(role="model", parts=[call]),
        types.Content(role="user", parts=[result]),
    ]
    with pytest.raises(errors.ClientError, match="missing a thought_signature") as caught:
        client.models.generate_content(model=GEMINI_3, contents=contents)

    assert caught.value.code == 400


def test_googles_tools_are_read(client: genai.Client) -> None:
    """Search with its trace, web pages, code: each in the client's own types."""
    search = types.GenerateContentConfig(
        tools=[types.Tool(google_search=types.GoogleSearch())],
        tool_config=types.ToolConfig(include_server_side_tool_invocations=True),
    )
    code = types.GenerateContentConfig(tools=[types.Tool(code_execution=types.ToolCodeExecution())])
    pages = types.GenerateContentConfig(tools=[types.Tool(url_context=types.UrlContext())])
    chat = client.chats.create(model=GEMINI_3, config=search)
    searched = chat.send_message("What is new in Zürich?").candidates or []
    again = chat.send_message("And in Genève?").candidates or []
    worked = client.models.generate_content(model=GEMINI_3, contents="What is 6 * 7?", config=code)
    read = client.models.generate_content(model=GEMINI_2, contents="Read https://example.com/", config=pages).candidates or []

    assert searched[0].grounding_metadata is not None
    assert searched[0].grounding_metadata.web_search_queries == ["What is new in Zürich?"]
    assert again[0].finish_reason == types.FinishReason.STOP
    assert worked.executable_code == "print(6 * 7)\n"
    assert worked.code_execution_result == "42\n"
    assert read[0].url_context_metadata is not None
