"""What is checked in each sample's output: the chat samples (01 to 06, 10, 11, 14) and the models (15, 16).

A check reads the output as a value, looks at it, and says in a few words what it found.
It raises SampleError for anything else.
"""

import ast
import re
from collections.abc import Callable
from typing import Any

from guide import media, reading
from guide.output import Language, Output, SampleError

GUIDE_MODELS = {
    "gemini-3-flash-preview",
    "gemini-2.5-flash-image",
    "gemini-3-pro-image-preview",
    "veo-3.1-generate-preview",
    "gemini-embedding-2-preview",
    "gemini-embedding-001",
}
"""The models that the guide's samples and text call by name. Source: the guide, sections 1, 7, 8, 12."""

_ONE_VALUE: dict[Language, Callable[[str], Any]] = {
    "python": reading.from_python,
    "javascript": lambda text: reading.from_javascript(text)[0],
    "curl": reading.from_json,
}


def chat(output: Output) -> str:
    """01: an assistant's message that speaks of what was asked."""
    content = _content(message(output))
    if not re.search(r"\bAI\b", content):
        raise SampleError(f"the answer does not mention AI: {content[:80]!r}")
    return f"assistant's message of {len(content)} characters that mentions AI"


def effort(output: Output) -> str:
    """02: as 01, and the effort arrived upstream as a thinking level: the emulator's answer tells the settings that arrived."""
    found = chat(output)
    level = re.search(r"\bthinkingLevel (\w+)", _content(message(output)))
    if not level or level[1].lower() != "low":
        raise SampleError(
            f"effort low did not arrive as thinkingLevel low; {level[0] if level else 'no level'} is in the answer"
        )
    return f"{found}; {level[0]} arrived upstream"


def thoughts(output: Output) -> str:
    """03: a summary of the thoughts beside the answer, not inside it."""
    answer = message(output)
    content, summary = _content(answer), answer.get("reasoning_content")
    if not isinstance(summary, str) or not summary.strip():
        raise SampleError(f"no reasoning_content in the message, only {', '.join(sorted(answer))}")
    if "<thought>" in content:
        raise SampleError("the thoughts are in the content too")
    return f"answer of {len(content)} characters, thought summary of {len(summary)} beside it"


def stream(output: Output) -> str:
    """04: several pieces that join to a sentence, and a proper end."""
    pieces = [piece for piece in _pieces(output) if piece]
    text = "".join(pieces)
    if len(pieces) < 2:
        raise SampleError(f"{len(pieces)} piece(s) of text: nothing was streamed")
    if len(text.split()) < 3 or not re.search(r"[.!?…]", text):
        raise SampleError(f"the pieces join to no sentence: {text[:80]!r}")
    return f"{len(pieces)} pieces that join to: {_short(text)}"


def tool_call(output: Output) -> str:
    """05: the model calls get_weather for Chicago, with an id and JSON arguments. Node elides them: there, how it ended."""
    answer = value(output)
    choice = answer["choices"][0]
    if choice.get("finish_reason") != "tool_calls":
        raise SampleError(f"finish_reason is {choice.get('finish_reason')}, not tool_calls")
    if output.language == "javascript":
        return "finish_reason tool_calls (Node prints no deeper)"
    call = (choice["message"].get("tool_calls") or [{}])[0]
    name, arguments = call.get("function", {}).get("name"), reading.from_json(call.get("function", {}).get("arguments", "null"))
    if name != "get_weather" or not call.get("id") or "Chicago" not in str((arguments or {}).get("location")):
        raise SampleError(f"no call of get_weather for Chicago with an id: {str(call)[:120]}")
    return f"get_weather({arguments}), id {call['id']}, finish_reason tool_calls"


def image_seen(output: Output) -> str:
    """06: the answer tells the width and height of the picture that was sent."""
    content = _content(message(output))
    _mentions(content, str(media.IMAGE_WIDTH), str(media.IMAGE_HEIGHT))
    return f"the answer tells the picture's size, {media.IMAGE_WIDTH} by {media.IMAGE_HEIGHT}: {_short(content)}"


def audio_heard(output: Output) -> str:
    """10: the answer tells the length of the sound that was sent."""
    content = _content(message(output)) if output.language == "curl" else _printed(output)
    _mentions(content, str(media.AUDIO_SECONDS))
    return f"the answer tells the sound's length, {media.AUDIO_SECONDS} s: {_short(content)}"


def event(output: Output) -> str:
    """11: an event in the structure that was asked for."""
    if output.language == "javascript":
        found = value(output)
    else:  # pydantic's print of a model: fields with a space between
        fields = re.fullmatch(r"name=(.*) date=(.*) participants=(\[.*\])\s*", _printed(output), re.DOTALL)
        found = (
            dict(zip(("name", "date", "participants"), map(ast.literal_eval, fields.groups()), strict=True)) if fields else None
        )
    match found:
        case {"name": str(name), "date": str(date), "participants": [str(), *_] as people, **rest} if (
            name and date and not rest
        ):
            return f"an event: name {name!r}, date {date!r}, participants {people}"
        case _:
            raise SampleError(f"not an event with name, date and participants: {_short(str(found or output.stdout))}")


def cached(output: Output) -> str:
    """14: chunks that each carry a usage, zero until the last, which counts the cached tokens."""
    lines = [line for line in _printed(output).splitlines() if line]
    chunks, usages = [reading.from_python(line) for line in lines[::2]], [reading.from_python(line) for line in lines[1::2]]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    totals = [usage.get("total_tokens") for usage in usages]
    tokens = (usages[-1].get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    if not text.strip():
        raise SampleError("no text in the stream")
    if len(totals) != len(chunks) or any(totals[:-1]) or not totals[-1]:
        raise SampleError(f"usages are not zero until the last: total_tokens {totals}")
    if not tokens:
        raise SampleError("no cached tokens in the last usage")
    return f"{len(chunks)} chunks, each with a usage; {tokens} cached of {usages[-1]['prompt_tokens']} prompt tokens"


def models(output: Output) -> str:
    """15: every model's id, the guide's models among them."""
    ids = _ids(output)
    missing = GUIDE_MODELS - {model.removeprefix("models/") for model in ids}
    if missing:
        raise SampleError(f"{len(ids)} ids, without the guide's {', '.join(sorted(missing))}")
    return f"{len(ids)} ids, the guide's {len(GUIDE_MODELS)} models among them"


def model(output: Output) -> str:
    """16: the id of the model that was asked for."""
    found = value(output).get("id") if output.language == "curl" else _printed(output).strip()
    if str(found).removeprefix("models/") != "gemini-3-flash-preview":
        raise SampleError(f"the id is {_short(str(found))}")
    return f"the id {found}"


def value(output: Output) -> Any:
    """Read the one object that a sample printed; raises SampleError when it is none, or OpenAI's error object."""
    text = _printed(output)
    try:
        found = _ONE_VALUE[output.language](text)
    except ValueError as error:
        raise SampleError(f"unreadable output: {error}: {_short(text)}") from error
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        refusal = found["error"]
        raise SampleError(f"the server answered with an error: {refusal.get('code')} {refusal.get('message')}")
    return found


def message(output: Output) -> dict[str, Any]:
    """Read the message in what a sample printed: the completion, its choice, or the message itself."""
    found = value(output)
    if isinstance(found, dict) and "choices" in found:
        found = found["choices"][0]
    found = found.get("message", found) if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("role") != "assistant":
        raise SampleError(f"no assistant's message: {_short(output.stdout)}")
    return found


def _ids(output: Output) -> list[str]:
    match output.language:
        case "python":
            return _printed(output).split()
        case "javascript":
            return [found["id"] for found in reading.from_javascript(_printed(output))]
        case "curl":
            return [found["id"] for found in value(output)["data"]]


def _printed(output: Output) -> str:
    if not output.stdout.strip():
        raise SampleError(f"printed nothing; {_short(output.stderr) or 'no error either'}")
    return output.stdout


def _content(answer: dict[str, Any]) -> str:
    content = answer.get("content")
    if not isinstance(content, str) or not content.strip():
        raise SampleError(f"the message's content is {content!r}")
    return content


def _pieces(output: Output) -> list[str | None]:
    text = _printed(output)
    match output.language:
        case "python":
            return [reading.from_python(line).get("content") for line in text.splitlines() if line]
        case "javascript":  # plain lines: the text of each piece, or undefined
            return [None if line == "undefined" else line for line in text.splitlines()]
        case "curl":
            messages = reading.from_events(text)
            if not messages or messages[-1] != "[DONE]":
                raise SampleError(f"the stream does not end with [DONE]: {_short(text)}")
            return [choice["delta"].get("content") for chunk in messages[:-1] for choice in chunk.get("choices", [])]


def _mentions(content: str, *numbers: str) -> None:
    for number in numbers:
        zeros = "0*" if "." in number else ""
        if not re.search(rf"(?<![\d.]){re.escape(number)}{zeros}(?!\.?\d)", content):
            raise SampleError(f"the answer does not tell {number}: {_short(content)}")


def _short(text: str, characters_max: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"
