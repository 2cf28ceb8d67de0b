"""The clients that ask for structures get them: `parse`, zod's helpers, instructor, LangChain; whole and streamed."""

from typing import Any, Literal

import instructor
import msgspec
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

from tests.clients.conftest import Service
from tools import node

MODEL = "gemini-3.6-flash"
MESSAGES: Any = [{"role": "user", "content": "John and Susan are going to an AI conference on Friday."}]


class CalendarEvent(BaseModel):
    """An event in a calendar."""

    name: str
    date: str
    participants: list[str] = Field(description="Who goes there.")
    kind: Literal["talk", "conference"]


class Plan(BaseModel):
    """Several events, and notes on them."""

    events: list[CalendarEvent]
    note: str | None


def client(service: Service) -> OpenAI:
    """Make a client."""
    return OpenAI(api_key="a-key-of-a-user", base_url=f"{service.url}/v1", max_retries=0)


@pytest.mark.parametrize("model", [CalendarEvent, Plan])
def test_parse(service: Service, model: type[BaseModel]) -> None:
    """`chat.completions.parse` gives an object of the class."""
    answer = client(service).chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=model)

    assert isinstance(answer.choices[0].message.parsed, model)


def test_parse_streamed(service: Service) -> None:
    """The stream helper parses what has come so far, and the whole at the end."""
    with client(service).chat.completions.stream(model=MODEL, messages=MESSAGES, response_format=CalendarEvent) as stream:
        kinds = {event.type for event in stream}
        event = stream.get_final_completion().choices[0].message.parsed

    assert "content.done" in kinds
    assert isinstance(event, CalendarEvent)


async def test_parse_of_functions(service: Service) -> None:
    """A strict function's arguments are an object of its class."""
    async with AsyncOpenAI(api_key="a-key-of-a-user", base_url=f"{service.url}/v1", max_retries=0) as asynchronous:
        answer = await asynchronous.chat.completions.parse(
            model=MODEL, messages=MESSAGES, tools=[pydantic_function_tool(CalendarEvent)], tool_choice="required"
        )
    [call] = answer.choices[0].message.tool_calls or []

    assert call.type == "function"
    assert isinstance(call.function.parsed_arguments, CalendarEvent)


@pytest.mark.parametrize("mode", [instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS])
def test_instructor(service: Service, mode: instructor.Mode) -> None:
    """Both of its modes, whole and in pieces."""
    patched: Any = instructor.from_openai(client(service), mode=mode)
    asked: Any = {"model": MODEL, "messages": MESSAGES, "response_model": CalendarEvent, "max_retries": 0}
    event = patched.chat.completions.create(**asked)
    *_, last = patched.chat.completions.create_partial(**asked)

    assert isinstance(event, CalendarEvent)
    assert last.participants


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LangChain serializes what `parse` of openai has parsed
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_langchain(service: Service, method: Any) -> None:
    """`with_structured_output` by its three methods; for the last one the caller puts the schema into the prompt."""
    key: Any = "a-key-of-a-user"
    model = ChatOpenAI(model=MODEL, api_key=key, base_url=f"{service.url}/v1", max_retries=0)
    structured = model.with_structured_output(CalendarEvent, method=method)
    schema = msgspec.json.encode(CalendarEvent.model_json_schema()).decode()
    prompt = MESSAGES[0]["content"] + (f" Answer in JSON by this schema: {schema}" if method == "json_mode" else "")
    whole = structured.invoke(prompt)
    *_, last = structured.stream(prompt)

    assert isinstance(whole, CalendarEvent)
    assert isinstance(last, CalendarEvent)


def test_zod(service: Service) -> None:
    """`zodResponseFormat` and `zodFunction` of the `openai` package for JavaScript, whole and streamed."""
    script = """
    import OpenAI from "openai";
    import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
    import { z } from "zod";
    const client = new OpenAI({ apiKey: "any-key-of-a-user", baseURL: process.env.BASE });
    const Event = z.object({
      name: z.string(), date: z.string(), participants: z.array(z.string()), kind: z.enum(["talk", "conference"]) });
    const asked = { model: "gemini-3.6-flash", messages: [{ role: "user", content: process.env.PROMPT }] };
    const formatted = { ...asked, response_format: zodResponseFormat(Event, "event") };
    const whole = await client.chat.completions.parse(formatted);
    const stream = await client.chat.completions.stream(formatted).finalChatCompletion();
    const called = await client.chat.completions.parse({
      ...asked, tools: [zodFunction({ name: "add", parameters: Event })], tool_choice: "required" });
    console.log(JSON.stringify([
      whole.choices[0].message.parsed, stream.choices[0].message.parsed,
      called.choices[0].message.tool_calls[0].function.parsed_arguments]));
    """
    done = node.run_script(script, env={"BASE": f"{service.url}/v1", "PROMPT": MESSAGES[0]["content"]})

    assert done.returncode == 0, done.stderr
    for event in msgspec.json.decode(done.stdout):
        assert event.keys() == {"name", "date", "participants", "kind"}
        assert event["kind"] in ("talk", "conference")
