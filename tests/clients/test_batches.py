"""Batches and embeddings by the official clients, Python and JavaScript, OpenAI's and Google's; judged by OpenAI's document."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import OpenAI

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from pollux.settings import Settings
from tests.judges import openai_document, shared
from tests.serving import running
from tools import node

KEY = "any-key-of-a-user"
LINES = "\n".join(
    f'{{"custom_id":"{name}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gemini-3.6-flash","messages":'
    '[{"role":"user","content":"Hello"}]}}'
    for name in ("a", "b")
)
SCRIPT = """
import OpenAI, { toFile } from "openai";
import { GoogleGenAI } from "@google/genai";
import { readFileSync, writeFileSync } from "node:fs";
const client = new OpenAI({ apiKey: "any-key-of-a-user", baseURL: process.env.BASE + "/v1" });
const gemini = new GoogleGenAI({ apiKey: "any-key-of-a-user", httpOptions: { baseUrl: process.env.BASE } });
const lines = process.env.LINES, out = {};
const wait = async (batch) => {
  while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
    await new Promise((done) => setTimeout(done, 200));
    batch = await client.batches.retrieve(batch.id);
  }
  return batch;
};
const create = (id) => client.batches.create({
  input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { run: "1" } });
const file = await client.files.create({ file: await toFile(Buffer.from(lines), "a.jsonl"), purpose: "batch" });
out.batch = await wait(await create(file.id));
out.text = await (await client.files.content(out.batch.output_file_id)).text();
const uploaded = await gemini.files.upload({ file: new Blob([lines]), config: { mimeType: "jsonl" } });
const native = await wait(await create(uploaded.name));
await gemini.files.download({ file: native.output_file_id, downloadPath: "output.jsonl" });
for (let i = 0; i < 50 && !out.native; i++) {
  try { out.native = readFileSync("output.jsonl", "utf8"); } catch { }
  await new Promise((done) => setTimeout(done, 50));
}
out.got = await gemini.files.get({ name: native.output_file_id });
out.cancelled = (await client.batches.cancel((await create(file.id)).id)).status;
out.listed = [];
for await (const batch of client.batches.list({ limit: 2 })) out.listed.push(batch.id);
const vectors = await client.embeddings.create({ model: "gemini-embedding-2", input: ["one", "two"], dimensions: 4 });
out.vectors = vectors.data.map((one) => one.embedding.length);
console.log(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose emulator's jobs take their seconds."""
    with EmulatorServer(Emulator()) as upstream:
        settings = Settings(
            upstream="emulator",
            upstream_url=upstream.url,
            secret="of the tests",
            access_log=False,
            data_dir=str(tmp_path_factory.mktemp("data")),
            batch_poll_seconds=0.2,
        )
        with running(settings) as base:
            yield base


def said(batch: Any) -> Any:
    """Leave out what is null: the document has it optional only, its own examples and OpenAI's answers hold null."""
    return {key: value for key, value in batch.items() if value is not None}


def test_javascript_clients(url: str, tmp_path: Path) -> None:
    """OpenAI's does all; Google's uploads and downloads."""
    done = node.run_script(SCRIPT, env={"BASE": url, "LINES": LINES}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = msgspec.json.decode(done.stdout)

    assert out["batch"]["status"] == "completed"
    assert out["batch"]["metadata"] == {"run": "1"}
    assert [msgspec.json.decode(line)["custom_id"] for line in out["text"].splitlines()] == ["a", "b"]
    assert [msgspec.json.decode(line)["custom_id"] for line in out["native"].splitlines()] == ["a", "b"]
    assert out["got"]["state"] == "ACTIVE"
    assert out["cancelled"] in ("cancelling", "cancelled")
    assert len(out["listed"]) == 3
    assert out["vectors"] == [4, 4]


def test_answers_are_what_openais_document_says(url: str) -> None:
    """The Batch in each of its states, the list, and every line's body."""
    shared.needed()
    with OpenAI(api_key=KEY, base_url=url + "/v1") as client:
        raw = client.batches.with_raw_response
        file = client.files.create(file=("a.jsonl", LINES.encode()), purpose="batch")
        made = raw.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        seen: list[Any] = [made.http_response.json()]
        deadline = time.monotonic() + 60
        while seen[-1]["status"] != "completed":
            assert time.monotonic() < deadline, seen[-1]
            time.sleep(0.2)
            seen.append(raw.retrieve(seen[-1]["id"]).http_response.json())
        listed = raw.list(limit=1).http_response.json()
        output = [msgspec.json.decode(line) for line in client.files.content(seen[-1]["output_file_id"]).text.splitlines()]

    assert [complaint for batch in seen for complaint in openai_document.validate("Batch", said(batch))] == []
    assert openai_document.validate("ListBatchesResponse", listed | {"data": [said(one) for one in listed["data"]]}) == []
    assert all(line.keys() == {"id", "custom_id", "response", "error"} for line in output)
    assert [
        complaint
        for line in output
        for complaint in openai_document.validate("CreateChatCompletionResponse", line["response"]["body"])
    ] == []
