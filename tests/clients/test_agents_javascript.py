"""Agents in JavaScript: the Vercel AI SDK, and the tool runner of the `openai` package, run their own loops."""

from typing import Any

import msgspec
import pytest

from tests.clients.agents import GEMINI_3, KEY, first_calls, task
from tests.clients.conftest import Service
from tools import node

ROUNDS = 3

HEAD = """
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import OpenAI from "openai";
const { BASE: baseURL, KEY: apiKey, MODEL, PROMPT: prompt } = process.env;
const model = createOpenAICompatible({ name: "pollux", baseURL, apiKey, includeUsage: true })(MODEL);
const out = { ran: [] };
const named = (name, word) => tool({
  description: `Get the ${name} of a city.`,
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    out.ran.push([`get_${name}`, city]);
    return { [name]: `${word} number ${out.ran.length} in ${city}` };
  },
});
const vercelTools = { get_weather: named("weather", "rain"), get_time: named("time", "noon") };
const asked = { model, tools: vercelTools, prompt, maxRetries: 0, stopWhen: isStepCount(9) };
const thinking = { pollux: { extra_body: { google: { thinking_config: { include_thoughts: true } } } } };
const step = ({ finishReason, toolCalls, reasoningText, usage }) =>
  ({ finishReason, calls: toolCalls.length, thought: reasoningText ?? "", tokens: usage.totalTokens });
"""


def run(service: Service, script: str) -> Any:
    """Run a script that fills `out`, and give it."""
    env = {"BASE": f"{service.url}/v1", "KEY": KEY, "MODEL": GEMINI_3, "PROMPT": task(ROUNDS)}
    done = node.run_script(f"{HEAD}{script}\nconsole.log(JSON.stringify(out));", env=env)

    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


def check(service: Service, out: Any, method: str) -> None:
    """Look at what ran, at what the answer tells of it, and at what Gemini was sent."""
    entries = [entry for entry in service.emulator.journal.entries() if entry["method"] == "POST"]
    found = first_calls([entry["body"] for entry in entries])

    assert sorted(out["ran"]) == [["get_time", "Paris"]] * ROUNDS + [["get_weather", "Paris"]] * ROUNDS
    assert f"rain number {2 * ROUNDS - 1} in Paris" in out["text"]
    assert f"noon number {2 * ROUNDS} in Paris" in out["text"]
    assert [step["finishReason"] for step in out["steps"]] == ["tool-calls"] * ROUNDS + ["stop"]
    assert [step["calls"] for step in out["steps"]] == [2] * ROUNDS + [0]
    assert [entry["status"] for entry in entries] == [200] * (ROUNDS + 1)
    assert {entry["native_method"] for entry in entries} == {method}
    assert len(found) == ROUNDS * (ROUNDS + 1) // 2
    assert all(signature for _, signature in found)


def test_vercel_ai_sdk_whole(service: Service) -> None:
    """`generateText` with several steps."""
    out = run(
        service,
        """
        const done = await generateText(asked);
        Object.assign(out, { text: done.text, steps: done.steps.map(step) });
        """,
    )

    check(service, out, "generateContent")
    assert all(step["tokens"] > 0 for step in out["steps"])


def test_vercel_ai_sdk_streamed(service: Service) -> None:
    """`streamText` with several steps; the text comes in pieces, the thoughts apart from it."""
    out = run(
        service,
        """
        const done = streamText({ ...asked, providerOptions: thinking });
        out.text = ""; out.pieces = 0;
        for await (const piece of done.textStream) { out.text += piece; out.pieces++; }
        out.steps = (await done.steps).map(step);
        """,
    )

    check(service, out, "streamGenerateContent")
    assert all(step["tokens"] > 0 for step in out["steps"])
    assert out["pieces"] > 1
    assert all("Reading the request" in step["thought"] for step in out["steps"])


RUNNER = """
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = ["get_weather", "get_time"].map((name) => ({ type: "function", function: {
  name, parameters, parse: JSON.parse, description: `Call ${name}.`,
  function: async ({ city }) => {
    out.ran.push([name, city]);
    return `${name === "get_weather" ? "rain" : "noon"} number ${out.ran.length} in ${city}`;
  },
} }));
const runner = client.chat.completions.runTools(
  { model: MODEL, messages: [{ role: "user", content: prompt }], tools, stream: STREAMED });
out.text = await runner.finalContent();
out.steps = runner.allChatCompletions().map(({ choices: [choice] }) => ({
  finishReason: choice.finish_reason.replace("_", "-"), calls: choice.message.tool_calls?.length ?? 0 }));
"""


@pytest.mark.parametrize(
    ("streamed", "method"), [("false", "generateContent"), ("true", "streamGenerateContent")], ids=["whole", "streamed"]
)
def test_openai_tool_runner(service: Service, streamed: str, method: str) -> None:
    """`runTools` of the `openai` package."""
    out = run(service, RUNNER.replace("STREAMED", streamed))

    check(service, out, method)
