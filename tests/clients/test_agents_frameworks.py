"""Agent frameworks for Python run their own tool loops against the server, whole and streamed."""

from collections.abc import AsyncIterator
from typing import Any

import agents
import pytest
from agents import ModelSettings, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool as langchain_tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic import SecretStr
from pydantic_ai import Agent, Tool
from pydantic_ai.messages import ModelResponse, ThinkingPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.agents import GEMINI_3, KEY, first_calls, task
from tests.clients.conftest import Service

ROUNDS = 3

THINKING = {"google": {"thinking_config": {"include_thoughts": True}}}


class Tools:
    """The two tools, and what they were called with. Each result is one of a kind."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str]] = []

    def get_weather(self, city: str) -> str:
        """Get the weather of a city."""
        self.ran.append(("get_weather", city))
        return f"rain number {len(self.ran)} in {city}"

    def get_time(self, city: str) -> str:
        """Get the local time of a city."""
        self.ran.append(("get_time", city))
        return f"noon number {len(self.ran)} in {city}"


@pytest.fixture
async def client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    """The client that frameworks are given."""
    async with AsyncOpenAI(api_key=KEY, base_url=f"{service.url}/v1", max_retries=0) as made:
        yield made


def check(service: Service, tools: Tools, text: str, streamed: bool) -> None:
    """Look at what ran, at what the answer tells of it, and at what Gemini was sent."""
    entries = [entry for entry in service.emulator.journal.entries() if entry["method"] == "POST"]
    found = first_calls([entry["body"] for entry in entries])

    assert sorted(tools.ran) == [("get_time", "Paris")] * ROUNDS + [("get_weather", "Paris")] * ROUNDS
    assert "rain number" in text
    assert "noon number" in text
    assert f"number {2 * ROUNDS} in Paris" in text
    assert [entry["status"] for entry in entries] == [200] * (ROUNDS + 1)
    assert {entry["native_method"] for entry in entries} == {"streamGenerateContent" if streamed else "generateContent"}
    assert len(found) == ROUNDS * (ROUNDS + 1) // 2
    assert all(signature for _, signature in found)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_openai_agents(service: Service, client: AsyncOpenAI, streamed: bool) -> None:
    """OpenAI's Agents SDK with its chat model."""
    tools = Tools()
    agent = agents.Agent(
        name="Traveller",
        instructions="Be short.",
        model=OpenAIChatCompletionsModel(GEMINI_3, client),
        model_settings=ModelSettings(parallel_tool_calls=True),
        tools=[function_tool(tools.get_weather), function_tool(tools.get_time)],
    )
    config = RunConfig(tracing_disabled=True)
    if streamed:
        streaming = Runner.run_streamed(agent, task(ROUNDS), run_config=config)
        deltas = [
            event.data.delta
            async for event in streaming.stream_events()
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
        ]
        text = str(streaming.final_output)
        assert "".join(deltas) == text
    else:
        text = str((await Runner.run(agent, task(ROUNDS), run_config=config)).final_output)

    check(service, tools, text, streamed)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_langchain(service: Service, streamed: bool) -> None:
    """LangChain's ChatOpenAI with bound tools, in the loop that its documentation shows."""
    tools = Tools()
    bound = {each.name: each for each in (langchain_tool(tools.get_weather), langchain_tool(tools.get_time))}
    messages: list[BaseMessage] = [HumanMessage(task(ROUNDS))]
    async with DefaultAsyncHttpxClient() as http_client:
        model = ChatOpenAI(
            model=GEMINI_3,
            base_url=f"{service.url}/v1",
            api_key=SecretStr(KEY),
            max_retries=0,
            http_async_client=http_client,  # else nobody closes it
        ).bind_tools(list(bound.values()))
        for _ in range(ROUNDS + 1):
            if streamed:
                answer: Any = None
                async for chunk in model.astream(messages):
                    answer = chunk if answer is None else answer + chunk
            else:
                answer = await model.ainvoke(messages)
            assert isinstance(answer, AIMessage)
            assert not answer.invalid_tool_calls
            messages.append(answer)
            messages += [await bound[call["name"]].ainvoke(call) for call in answer.tool_calls]

    check(service, tools, str(messages[-1].content), streamed)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_pydantic_ai(service: Service, client: AsyncOpenAI, streamed: bool) -> None:
    """Pydantic AI with its chat model; it shows the thought summaries too, and sends them back in its own way."""
    tools = Tools()
    agent = Agent(
        OpenAIChatModel(GEMINI_3, provider=OpenAIProvider(openai_client=client)),
        tools=[Tool(tools.get_weather), Tool(tools.get_time)],
        model_settings=OpenAIChatModelSettings(extra_body=THINKING),
    )
    if streamed:
        async with agent.run_stream(task(ROUNDS)) as result:
            text = await result.get_output()
            messages = result.all_messages()
    else:
        run = await agent.run(task(ROUNDS))
        text, messages = run.output, run.all_messages()
    thoughts = [
        part.content
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ThinkingPart)
    ]

    check(service, tools, text, streamed)
    assert len(thoughts) == ROUNDS + 1
    assert all("Reading the request" in thought for thought in thoughts)
