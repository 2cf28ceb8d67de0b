"""The official `openai` package for JavaScript drives the server, in Node."""

import base64
from typing import Any

import msgspec
import pytest

from tests.clients.conftest import Service
from tools import node

HEAD = """
import OpenAI from "openai";
const model = "gemini-3.6-flash";
const messages = [{ role: "user", content: "Why is the sky blue?" }];
const client = new OpenAI({ apiKey: "any-key-of-a-user", baseURL: process.env.BASE });
const out = {};
const fault = (text) => ({ headers: { "x-emulator-fault": text } });
"""


def run(service: Service, script: str, base: str = "/v1") -> Any:
    """Run a script that fills `out`, and give it."""
    done = node.run_script(f"{HEAD}{script}\nconsole.log(JSON.stringify(out));", env={"BASE": service.url + base})

    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


def test_answers_streams_and_models(service: Service) -> None:
    """Create, stream, the helper, raw responses, the list and one model, on OpenAI's base."""
    out = run(
        service,
        """
        out.whole = await client.chat.completions.create({ model, messages });
        out.requestId = out.whole._request_id;
        const stream = await client.chat.completions.create({
          model, messages, stream: true, stream_options: { include_usage: true } });
        out.pieces = []; out.usages = [];
        for await (const chunk of stream) {
          out.pieces.push(chunk.choices[0]?.delta?.content ?? "");
          out.usages.push(chunk.usage?.total_tokens ?? null);
        }
        const helper = client.chat.completions.stream({ model, messages });
        out.deltas = 0;
        helper.on("content", () => out.deltas++);
        out.final = await helper.finalChatCompletion();
        const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
        out.raw = { text: data.choices[0].message.content, id: response.headers.get("x-request-id"),
                    upstream: response.headers.get("x-pollux-upstream") };
        out.models = [];
        for await (const found of client.models.list()) out.models.push(found.id);
        out.one = await client.models.retrieve("models/" + model);
        """,
    )

    assert out["whole"]["choices"][0]["message"]["content"] == "The sky is blue."
    assert out["requestId"].startswith("req_")
    assert "".join(out["pieces"]) == "The sky is blue."
    assert out["usages"][-1] == out["whole"]["usage"]["total_tokens"]
    assert set(out["usages"][:-1]) == {None}
    assert out["deltas"] == 3
    assert out["final"]["choices"][0]["message"]["content"] == "The sky is blue."
    assert out["final"]["choices"][0]["finish_reason"] == "stop"
    assert out["raw"]["text"] == "The sky is blue."
    assert out["raw"]["id"].startswith("req_")
    assert out["raw"]["upstream"] == "emulator"
    assert "gemini-3.6-flash" in out["models"]
    assert out["one"]["id"] == "gemini-3.6-flash"


def test_errors_and_retries(service: Service) -> None:
    """Classes, fields, broken streams, and what the client repeats by itself, on Google's base."""
    out = run(
        service,
        """
        const once = { maxRetries: 0 };
        const caught = async (name, work) => {
          try { await work(); out[name] = "no error"; }
          catch (e) {
            out[name] = { kind: e.constructor.name, status: e.status ?? null, code: e.code ?? null, param: e.param ?? null,
                          type: e.type ?? null, id: e.requestID ?? null, message: e.message };
          }
        };
        const create = (text, more = {}) =>
          client.chat.completions.create({ model, messages, ...more }, { ...once, ...fault(text) });
        await caught("context", () => create("status=400; reason=context"));
        await caught("key", () => create("status=400; reason=invalid-key"));
        await caught("model", () => client.chat.completions.create({ model: "gpt-none", messages }, once));
        await caught("limit", () => create("status=429"));
        await caught("server", () => create("status=503"));
        await caught("param", () => client.chat.completions.create({ model, messages, temperature: 5 }));
        await caught("path", () => client.beta.assistants.list());
        await caught("daily", () => client.chat.completions.create({ model, messages }, fault("status=429; quota=per-day")));
        out.text = "";
        await caught("stream", async () => {
          for await (const chunk of await create("error-after=1", { stream: true }))
            out.text += chunk.choices[0]?.delta?.content ?? "";
        });
        await caught("cut", async () => { for await (const chunk of await create("cut-after=1", { stream: true })); });
        await caught("helper", () =>
          client.chat.completions.stream({ model, messages }, fault("error-after=1")).finalChatCompletion());
        await caught("timeout", () => client.chat.completions.create(
          { model, messages }, { ...once, ...fault("first-token-delay=20"), timeout: 500 }));
        out.repeated = (await client.chat.completions.create({ model, messages }, fault("status=503; times=1")))
          .choices[0].message.content;
        """,
        base="/v1beta/openai/",
    )
    kinds = {name: (error["kind"], error["status"], error["code"]) for name, error in out.items() if isinstance(error, dict)}

    assert kinds["context"] == ("BadRequestError", 400, "context_length_exceeded")
    assert kinds["key"] == ("AuthenticationError", 401, "invalid_api_key")
    assert kinds["model"] == ("NotFoundError", 404, "model_not_found")
    assert kinds["limit"] == ("RateLimitError", 429, "rate_limit_exceeded")
    assert kinds["server"] == ("InternalServerError", 503, "overloaded")
    assert kinds["param"] == ("BadRequestError", 400, "invalid_value")
    assert out["param"]["param"] == "temperature"
    assert kinds["path"] == ("NotFoundError", 404, "unsupported_endpoint")
    assert kinds["daily"] == ("RateLimitError", 429, "rate_limit_exceeded")
    assert all(out[name]["id"].startswith("req_") for name in ("context", "key", "model", "limit", "server", "param", "path"))
    assert out["text"] == "The sky"
    assert kinds["stream"][0] == kinds["cut"][0] == kinds["helper"][0] == "APIError"
    assert kinds["timeout"][0] == "APIConnectionTimeoutError"
    assert out["repeated"] == "The sky is blue."
    entries = [entry for entry in service.emulator.journal.entries() if entry["fault"]]
    assert len([entry for entry in entries if "per-day" in entry["headers"]["x-emulator-fault"]]) == 1


def test_a_stream_that_is_left_ends_the_work(service: Service) -> None:
    """`break` in the loop aborts: the native call is left within moments."""
    run(
        service,
        """
        const stream = await client.chat.completions.create(
          { model, messages, stream: true }, fault("stall-after=1; stall-for=20"));
        for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
        await new Promise((done) => setTimeout(done, 300));
        """,
    )
    [entry] = service.emulator.journal.entries()

    assert entry["client_closed_early"]


def test_embeddings(service: Service) -> None:
    """The client asks for base64 by itself and decodes it."""
    out = run(
        service,
        """
        const asked = { model: "gemini-embedding-2", input: ["Hello", "World"], dimensions: 8 };
        out.usual = await client.embeddings.create(asked);
        out.plain = await client.embeddings.create({ ...asked, encoding_format: "float" });
        """,
    )
    usual, plain = ([one["embedding"] for one in out[way]["data"]] for way in ("usual", "plain"))

    assert len(usual) == len(plain) == 2
    for decoded, floats in zip(usual, plain, strict=True):
        assert decoded == pytest.approx(floats, abs=1e-6)


def test_a_spoken_answer(service: Service) -> None:
    """Whole and streamed; the pieces, decoded one by one, are the sound."""
    out = run(
        service,
        """
        const asked = { model: "gemini-3.8-flash-tts", modalities: ["text", "audio"], audio: { voice: "nova", format: "pcm16" },
                        messages: [{ role: "user", content: "Have a wonderful day!" }] };
        out.audio = (await client.chat.completions.create(asked)).choices[0].message.audio;
        const pieces = [];
        for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
          const data = chunk.choices[0]?.delta?.audio?.data;
          if (data) pieces.push(Buffer.from(data, "base64"));
        }
        out.streamed = Buffer.concat(pieces).toString("base64");
        """,
    )

    assert out["audio"]["transcript"] == "Have a wonderful day!"
    assert out["streamed"] == out["audio"]["data"]
    assert len(base64.b64decode(out["streamed"])) > 24_000
