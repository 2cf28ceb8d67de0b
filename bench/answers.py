"""Whether an answer is the right one. Every answer of every server is read and compared before it counts."""

import re
from typing import Literal

import msgspec

from bench.bodies import CALLED, STREAMS, TEXT

Language = Literal["openai", "native"]
_STAMP = re.compile(rb"@\d{19}@")


class WrongAnswerError(Exception):
    """A server answered something else than asked."""


class _Function(msgspec.Struct):
    arguments: str


class _ToolCall(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] = []


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    delta: _Message = msgspec.field(default_factory=_Message)
    finish_reason: str | None = None


class _OpenAI(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Part(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part]


class _Candidate(msgspec.Struct):
    content: _Content
    finish: str | None = msgspec.field(default=None, name="finishReason")


class _NativeUsage(msgspec.Struct):
    total: int = msgspec.field(name="totalTokenCount")


class _Native(msgspec.Struct):
    candidates: list[_Candidate]
    usage: _NativeUsage = msgspec.field(name="usageMetadata")


_openai = msgspec.json.Decoder(_OpenAI)
_native = msgspec.json.Decoder(_Native)
_PLAYED = {name: _STAMP.sub(b"@@", "".join(stream.texts).encode()) for name, stream in STREAMS.items()}
_TOTAL = 201


def check_whole(language: Language, body: bytes, play: str = "whole") -> None:
    """A whole answer: its text or its call, its end and its sum of tokens."""
    try:
        if language == "openai":
            answer = _openai.decode(body)
            message = answer.choices[0].message
            seen = (
                message.tool_calls[0].function.arguments if message.tool_calls else message.content,
                answer.choices[0].finish_reason,
                answer.usage and answer.usage.total_tokens,
            )
            wanted = (CALLED, "tool_calls", _TOTAL) if play == "tools" else (TEXT, "stop", _TOTAL)
        else:
            reply = _native.decode(body)
            seen = (
                "".join(part.text for part in reply.candidates[0].content.parts),
                reply.candidates[0].finish,
                reply.usage.total,
            )
            wanted = ("" if play == "tools" else TEXT, "STOP", _TOTAL)
    except (msgspec.DecodeError, IndexError) as error:
        raise WrongAnswerError(f"{error}: {body[:1000]!r}") from error
    if seen != wanted:
        raise WrongAnswerError(f"unexpected answer: {body[:1000]!r}")


def check_stream(language: Language, play: str, body: bytes) -> None:
    """A streamed answer: its text in full, one end, the sum of tokens, and [DONE] where the language has it."""
    lines = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    if language == "openai" and (not lines or lines.pop() != b"[DONE]"):
        raise WrongAnswerError(f"no [DONE]: {body[-1000:]!r}")
    text: list[str] = []
    ends: list[str] = []
    total = 0
    try:
        for line in lines:
            if language == "openai":
                chunk = _openai.decode(line)
                for choice in chunk.choices:
                    text.append(choice.delta.content or "")
                    ends += [choice.finish_reason] if choice.finish_reason else []
                total = chunk.usage.total_tokens if chunk.usage else total
            else:
                event = _native.decode(line)
                text += [part.text for part in event.candidates[0].content.parts]
                ends += [event.candidates[0].finish.lower()] if event.candidates[0].finish else []
                total = event.usage.total
    except (msgspec.DecodeError, IndexError) as error:
        raise WrongAnswerError(f"{error}: {body[-1000:]!r}") from error
    if (_STAMP.sub(b"@@", "".join(text).encode()), ends, total) != (_PLAYED[play], ["stop"], _TOTAL):
        raise WrongAnswerError(f"unexpected stream, ends {ends}, tokens {total}: {body[-1000:]!r}")
