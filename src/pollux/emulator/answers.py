"""What the emulator says by itself: an honest and useful text, made from the request alone.

It says where it comes from and what arrived, so that a program shows at a glance whether its request was built as meant.
A prompt that asks for a length ("write 500 words") gets that many words.
"""

import re
from typing import Any

import msgspec

from pollux.emulator import references
from pollux.emulator.limits import LONG_WORDS_MAX, QUOTE_CHARS_MAX, RESULTS_TOLD_MAX, WORDS_MAX
from pollux.emulator.models import Model

LENGTH = re.compile(r"\b(\d{1,6})\s+words?\b", re.IGNORECASE)

SAMPLING = ("temperature", "topP", "topK")

RESULT_CHARS_MAX = 200
"""Of each result, as quoted in an answer."""

QUIET = ("thinkingConfig", "responseModalities", "responseMimeType")
"""Settings with a sentence of their own, or that only confirm the default."""


def natural_text(request: dict[str, Any], model: Model, about_tools: tuple[str, ...] = ()) -> str:
    """Tell what arrived, and what Google's own tools did."""
    contents = request.get("contents", [])
    last = last_user_text(request)
    sentences = [
        f"This is the Pollux emulator of {model.target or model.name}; no model was asked.",
        _messages(contents),
        _system(request),
        f"The last user text is {_quote(last)}." if last else "There is no user text.",
        references.told(request),
        _results(contents),
        _tools(request),
        *about_tools,
        _prefill(contents),
        _settings(request, model),
    ]
    text = " ".join(sentence for sentence in sentences if sentence)
    asked = LENGTH.search(last)
    return (
        _to_length(text, min(int(asked.group(1)), LONG_WORDS_MAX if model.family.continues_after else WORDS_MAX))
        if asked
        else text
    )


def last_user_text(request: dict[str, Any]) -> str:
    """Find the text of the last content that is not the model's."""
    for content in reversed(request.get("contents", [])):
        if content.get("role") != "model":
            return "\n".join(part["text"] for part in content.get("parts", []) if "text" in part)
    return ""


def system_text(request: dict[str, Any]) -> str:
    """Join the texts of the system instruction."""
    return "\n".join(part["text"] for part in request.get("systemInstruction", {}).get("parts", []) if "text" in part)


def user_turns(request: dict[str, Any]) -> int:
    """Count the contents that are not the model's."""
    return sum(1 for content in request.get("contents", []) if content.get("role") != "model")


def thought_texts(request: dict[str, Any], model: Model, tokens: int) -> list[str]:
    """Write the summaries of thoughts that `includeThoughts` shows: one for each 250 tokens of thinking, at most four."""
    last = last_user_text(request)
    titles = ("Reading the request", "Weighing what to tell", "Checking the settings", "Writing the answer")
    first = f"The last user text has {len(last.split())} words. I am an emulator, so I only look at what arrived."
    rest = f"There is nothing to think about in an emulator of {model.target or model.name}; this is the shape of a summary."
    return [f"**{title}**\n\n{rest if i else first}\n\n\n" for i, title in enumerate(titles[: 1 + min(tokens // 250, 3)])]


def _messages(contents: list[dict[str, Any]]) -> str:
    from_model = sum(1 for content in contents if content.get("role") == "model")
    from_user = len(contents) - from_model
    if len(contents) == 1:
        return "It received 1 message."
    return f"It received {len(contents)} messages, {from_user} from the user and {from_model} from the model."


def _system(request: dict[str, Any]) -> str:
    text = system_text(request)
    return f"The system instruction is {_quote(text, 160)}." if text else ""


def _results(contents: list[dict[str, Any]]) -> str:
    """Tell the results of functions that came last, so that a test sees what arrived."""
    results = [part["functionResponse"] for part in contents[-1]["parts"] if "functionResponse" in part] if contents else []
    if not results:
        return ""
    told = [f"{one.get('name')} gave {_short(one.get('response', {}))}" for one in results[:RESULTS_TOLD_MAX]]
    if len(results) > RESULTS_TOLD_MAX:
        told.append(f"and {len(results) - RESULTS_TOLD_MAX} more")
    return f"{_counted(len(results), 'result')} arrived: {'; '.join(told)}."


def _tools(request: dict[str, Any]) -> str:
    functions = sum(len(tool.get("functionDeclarations", [])) for tool in request.get("tools", []))
    return f"{_counted(functions, 'function')} can be called; none is asked for now." if functions else ""


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= RESULT_CHARS_MAX else f"{text[:RESULT_CHARS_MAX]}…"


def _prefill(contents: list[dict[str, Any]]) -> str:
    if contents and contents[-1].get("role") == "model":
        return "The conversation ends with a model turn, which this model continues."
    return ""


def _settings(request: dict[str, Any], model: Model) -> str:
    config = request.get("generationConfig", {})
    told = []
    for name, value in config.items():
        if name in SAMPLING and not model.family.samples:
            told.append(f"{name} {value} (ignored by this model)")
        elif name == "stopSequences":
            told.append(_counted(len(value), "stop sequence"))  # quoting one would stop this very answer
        elif name not in QUIET:
            told.append(f"{name} {value}")
    told += [f"{name} {value}" for name, value in config.get("thinkingConfig", {}).items()]
    told += [f"{name} {request[name]}" for name in ("serviceTier", "store") if name in request]
    if request.get("safetySettings"):
        told.append(_counted(len(request["safetySettings"]), "safety setting"))
    return f"Settings: {'; '.join(told)}." if told else "No settings were given."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _quote(text: str, chars_max: int = QUOTE_CHARS_MAX) -> str:
    words = len(text.split())
    if len(text) <= chars_max:
        return f"“{text}”"
    return f"“{text[:chars_max].rstrip()}…” (shortened; {words} words in all)"


def _to_length(text: str, words_max: int) -> str:
    words = text.split(" ")
    number = 1
    while len(words) < words_max:
        words += f"Sentence {number} fills the length that was asked for and says nothing else.".split(" ")
        number += 1
    return " ".join(words[:words_max])
