"""Counting tokens, and cutting a text at one.

The emulator has no tokenizer of Gemini's. It counts words, digits and signs, which comes within a few tokens of the
recorded counts of short English prompts, and is the same everywhere: countTokens, promptTokenCount, maxOutputTokens.
"""

import re
from typing import Any

import msgspec

from pollux.emulator.limits import TOKEN_TEXT_EXACT_MAX

TOKEN = re.compile(r"\s?[^\W\d_]{1,12}|\s?\d|\s?(?:[^\w\s]|_)|\s+")
"""A word of up to twelve letters with the space before it, one digit, one sign, or a run of white space."""


def count_text(text: str) -> int:
    """Count the tokens of a text."""
    if len(text) > TOKEN_TEXT_EXACT_MAX:
        return len(text) // 4
    return sum(1 for _ in TOKEN.finditer(text))


def split_text(text: str) -> list[str]:
    """Cut a text into its tokens; joined, they are the text."""
    return [match.group() for match in TOKEN.finditer(text)]


def count_part(part: dict[str, Any]) -> int:
    """Count one part: a text by its words, calls, results and traces by the JSON of what they carry, without ids."""
    if "text" in part:
        return count_text(part["text"])
    for kind, fields in COUNTED.items():
        if kind in part:
            return sum(_count_value(part[kind].get(name, "")) for name in fields)
    return 0


COUNTED = {
    "functionCall": ("name", "args"),
    "functionResponse": ("name", "response"),
    "executableCode": ("code",),
    "codeExecutionResult": ("output",),
    "toolCall": ("args",),
    "toolResponse": (),
}
"""What of a part is counted. A search result is not part of the prompt (recorded: `toolUsePromptTokenCount` is)."""


def count_content(content: dict[str, Any]) -> int:
    """Count one content: its parts, and one token for the turn. Recorded: "Say hi in Portuguese" with a system text is 11."""
    return 1 + sum(count_part(part) for part in content.get("parts", []))


def count_prompt(request: dict[str, Any]) -> int:
    """Count a whole prompt: contents, system instruction, declared functions. Google's own tools count nothing (recorded)."""
    contents = list(request.get("contents", []))
    if "systemInstruction" in request:
        contents.append(request["systemInstruction"])
    functions = [one for tool in request.get("tools", []) for one in tool.get("functionDeclarations", [])]
    return sum(count_content(content) for content in contents) + sum(_count_value(one) for one in functions)


def _count_value(value: Any) -> int:
    if value in ("", {}, []):
        return 0
    return count_text(value if isinstance(value, str) else JSON_SIGNS.sub(" ", msgspec.json.encode(value).decode()))


JSON_SIGNS = re.compile(r'[{}\[\]",:]+')
"""What JSON adds to a value. Recorded: a small declaration counts some thirty tokens, about its words."""
