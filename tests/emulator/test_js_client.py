"""The official JavaScript client of Google, `@google/genai`, drives the emulator over a port."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator, EmulatorServer
from tools.node import run_script

HEAD = """
import { GoogleGenAI, ApiError, ThinkingLevel } from "@google/genai";
const model = "gemini-3-flash-preview";
const baseUrl = process.env.EMULATOR;
const client = (more = {}, apiKey = "any-key") => new GoogleGenAI({ apiKey, httpOptions: { baseUrl, ...more } });
const ai = client();
const failure = async (promise) => {
  try { await promise; return null; } catch (error) {
    return { api: error instanceof ApiError, status: error.status, message: error.message };
  }
};
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(Emulator(script=[{"match": {"text": "Say hello"}, "say": {"text": "Hello!"}}])) as running:
        yield running


def js(server: EmulatorServer, script: str, **environment: str) -> Any:
    """Run a script whose last line prints one JSON value."""
    done = run_script(HEAD + script, env={"EMULATOR": server.url, **environment})
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


@pytest.mark.parametrize("version", ["", "v1", "v1beta", "v1alpha"])
def test_it_generates_streams_counts_and_lists(server: EmulatorServer, version: str) -> None:
    """On every API version; without one it calls its default."""
    told = js(
        server,
        """
        const ai2 = client(process.env.VERSION ? { apiVersion: process.env.VERSION } : {});
        const answer = await ai2.models.generateContent({ model, contents: "Say hello" });
        const chunks = [];
        const stream = await ai2.models.generateContentStream({ model, contents: "write 80 words" });
        for await (const chunk of stream) chunks.push(chunk);
        const counted = await ai2.models.countTokens({ model, contents: "Say hello" });
        const names = [];
        for await (const listed of await ai2.models.list({ config: { pageSize: 10 } })) names.push(listed.name);
        const got = await ai2.models.get({ model });
        console.log(JSON.stringify({
          text: answer.text, version: answer.modelVersion, prompt: answer.usageMetadata.promptTokenCount,
          chunks: chunks.length, streamed: chunks.map((chunk) => chunk.text ?? "").join(""),
          finish: chunks.at(-1).candidates[0].finishReason, counted: counted.totalTokens, names, got: got.name,
        }));
        """,
        VERSION=version,
    )

    assert told["text"] == "Hello!"
    assert told["version"] == "gemini-3-flash-preview"
    assert told["counted"] == told["prompt"] == 3
    assert told["chunks"] > 3
    assert len(told["streamed"].split()) == 80
    assert told["finish"] == "STOP"
    assert len(set(told["names"])) == len(told["names"]) > 40
    assert told["got"] == "models/gemini-3-flash-preview"


def test_a_chat_with_settings_goes_on(server: EmulatorServer) -> None:
    """History, system instruction and thinking arrive."""
    told = js(
        server,
        """
        const chat = ai.chats.create({ model, config: {
          systemInstruction: "Be brief.", thinkingConfig: { thinkingLevel: ThinkingLevel.LOW, includeThoughts: true } } });
        await chat.sendMessage({ message: "Say hello" });
        const answer = await chat.sendMessage({ message: "And now?" });
        console.log(JSON.stringify({ text: answer.text, thought: answer.candidates[0].content.parts[0].thought }));
        """,
    )

    assert "It received 3 messages, 2 from the user and 1 from the model." in told["text"]
    assert "The system instruction is “Be brief.”." in told["text"]
    assert "thinkingLevel LOW" in told["text"]
    assert told["thought"] is True


def test_errors_are_understood(server: EmulatorServer) -> None:
    """Status and message, of whole answers, of streams, of a wrong key, and inside a stream."""
    told = js(
        server,
        """
        const faulty = (fault) => client({ headers: { "x-emulator-fault": fault } });
        const read = async (stream) => { for await (const chunk of await stream) void chunk; };
        const contents = "write 90 words";
        console.log(JSON.stringify([
          await failure(faulty("status=429; quota=per-day").models.generateContent({ model, contents })),
          await failure(read(faulty("status=503").models.generateContentStream({ model, contents }))),
          await failure(client({}, "invalid-key").models.generateContent({ model, contents })),
          await failure(read(faulty("error-after=2; status=503").models.generateContentStream({ model, contents }))),
          await failure(ai.models.generateContent({ model: "gpt-5", contents })),
        ]));
        """,
    )

    assert [failure["status"] for failure in told] == [429, 503, 400, 503, 404]
    assert all(failure["api"] for failure in told)
    assert "GenerateRequestsPerDayPerProjectPerModel-FreeTier" in told[0]["message"]
    assert "API key not valid" in told[2]["message"]


def test_a_tool_loop_goes_through_whole_and_streamed(server: EmulatorServer) -> None:
    """Three rounds of two calls; the chat keeps the signatures itself."""
    told = js(
        server,
        """
        const tools = [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: {
          type: "object", properties: { location: { type: "string" } }, required: ["location"] } }] }];
        const loop = async (streamed) => {
          const chat = ai.chats.create({ model, config: { tools } });
          const send = async (message) => {
            if (!streamed) return chat.sendMessage({ message });
            const found = { functionCalls: [], text: "" };
            for await (const chunk of await chat.sendMessageStream({ message })) {
              found.functionCalls.push(...(chunk.functionCalls ?? []));
              for (const part of chunk.candidates[0].content?.parts ?? []) found.text += part.text ?? "";
            }
            return found;
          };
          const rounds = [];
          let answer = await send("Call get_weather in 3 rounds, each with 2 parallel calls, for Paris and Rome");
          while (answer.functionCalls?.length) {
            rounds.push(answer.functionCalls.map((call) => call.args.location));
            answer = await send(answer.functionCalls.map(({ id, name }) => (
              { functionResponse: { id, name, response: { output: "sunny" } } })));
          }
          return { rounds, text: answer.text };
        };
        console.log(JSON.stringify([await loop(false), await loop(true)]));
        """,
    )

    assert told[0]["rounds"] == told[1]["rounds"] == [["Paris", "Rome"]] * 3
    assert all("2 results arrived" in one["text"] for one in told)


def test_structured_and_long_answers_come_through(server: EmulatorServer) -> None:
    """Its own Schema, JSON Schema, streams of both, an enumeration, and hops of Gemini 4, which it joins itself."""
    told = js(
        server,
        """
        const contents = "John and Susan are going to an AI conference on Friday.";
        const schema = { type: "OBJECT", properties: { name: { type: "STRING" }, date: { type: "STRING" },
          participants: { type: "ARRAY", items: { type: "STRING" } } }, required: ["name", "date", "participants"] };
        const config = { responseMimeType: "application/json", responseSchema: schema };
        const whole = await ai.models.generateContent({ model, contents, config });
        const jsonSchema = { type: "object", properties: { day: { type: "string", format: "date" } }, required: ["day"] };
        let pieces = "";
        for await (const chunk of await ai.models.generateContentStream({ model, contents, config: {
          responseMimeType: "application/json", responseJsonSchema: jsonSchema } })) pieces += chunk.text ?? "";
        const member = await ai.models.generateContent({ model, contents: "An oboe is a woodwind", config: {
          responseMimeType: "text/x.enum", responseSchema: { type: "STRING", enum: ["Brass", "Woodwind"] } } });
        const long = "Please write 900 words. [emulator: continue-after=500]";
        const story = await ai.models.generateContent({ model: "gemini-4-argon", contents: long });
        console.log(JSON.stringify({ event: JSON.parse(whole.text), day: JSON.parse(pieces), member: member.text,
          words: story.text.split(" ").length, finish: story.candidates[0].finishReason }));
        """,
    )

    assert told["event"] == {"name": "AI conference", "date": "Friday", "participants": ["John", "Susan"]}
    assert told["day"] == {"day": "2026-11-27"}
    assert told["member"] == "Woodwind"
    assert (told["words"], told["finish"]) == (900, "STOP")
