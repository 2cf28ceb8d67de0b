"""`pollux ask`: one question to a model through a running server, its answer shown as it comes."""

import argparse
import asyncio
import sys
from typing import Any, TextIO

import msgspec

from pollux.cli.calls import CallFailed, add_server, client, failure, request
from pollux.cli.terminal import visible
from pollux.settings import SettingsError
from pollux.upstream.http import HttpStream
from pollux.wire.sse import SseDecoder

EXAMPLES = """\
examples:
  pollux ask "Why is the sky blue?"
  pollux ask --model gemini-3.1-pro-preview --effort low --system "Answer in one line." "What is a monad?"
  git diff | pollux ask -               # read the question from standard input

The key is read from POLLUX_API_KEY or GEMINI_API_KEY; the emulator needs none.
"""

MODEL = "gemini-3.6-flash"
ERROR_BYTES_MAX = 1_048_576

ENDS = {
    "length": "The answer was cut: it reached the largest number of tokens.",
    "content_filter": "The answer was cut by the content filter.",
}
"""What is said about an answer that did not end by itself."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("question", metavar="QUESTION", help="What to ask; - reads it from standard input.")
    parser.add_argument("--model", default=MODEL, help=f"The model. Default: {MODEL}.")
    parser.add_argument("--system", metavar="TEXT", help="What the model is told before the question.")
    parser.add_argument(
        "--effort", metavar="LEVEL", help="How much to think (reasoning_effort): none, minimal, low, medium, high."
    )
    add_server(parser)


def run(given: argparse.Namespace) -> int:
    """Ask, and write the answer to standard output."""
    question = sys.stdin.read() if given.question == "-" else given.question
    if not question.strip():
        raise SettingsError("The question is empty.")
    messages = [{"role": "user", "content": question}]
    if given.system:
        messages.insert(0, {"role": "system", "content": given.system})
    body: dict[str, Any] = {"model": given.model, "messages": messages, "stream": True}
    if given.effort:
        body["reasoning_effort"] = given.effort
    try:
        end = asyncio.run(_ask(given.base_url, body, sys.stdout))
    except CallFailed as error:
        print(f"pollux: {error}", file=sys.stderr)
        return 1
    if end in ENDS:
        print(f"pollux: {ENDS[end]}", file=sys.stderr)
    return 0


async def _ask(base_url: str, body: dict[str, Any], out: TextIO) -> str:
    """Write the answer as it comes; give the finish reason."""
    async with client(base_url) as http:
        http_response = await http.stream(request(base_url, "/chat/completions", body))
        try:
            if http_response.status != 200:
                raise failure(http_response.status, await http_response.read(ERROR_BYTES_MAX))
            return await _shown(http_response, out)
        finally:
            await http_response.close()


async def _shown(http_response: HttpStream, out: TextIO) -> str:
    decoder = SseDecoder()
    end, last = "", "\n"
    try:
        async for data in http_response.reads():
            for payload in decoder.feed(data):
                text, reason = _said(payload)
                end = reason or end
                if text:
                    last = text[-1]
                    out.write(visible(text) if out.isatty() else text)
            out.flush()
    finally:
        if last != "\n":
            out.write("\n")
            out.flush()
    if not end:
        raise CallFailed("The answer broke off.")
    return end


def _said(payload: bytes) -> tuple[str, str]:
    """Give the text and the finish reason of one chunk. Raises CallFailed for an error in the stream."""
    if payload == b"[DONE]":
        return "", ""
    chunk = msgspec.json.decode(payload)
    if "error" in chunk:
        raise failure(500, payload)
    for choice in chunk["choices"]:
        return choice["delta"].get("content") or "", choice.get("finish_reason") or ""
    return "", ""
