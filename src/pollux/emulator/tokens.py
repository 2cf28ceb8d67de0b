"""Counting tokens, and cutting a text at one.

The emulator has no tokenizer of Gemini's. It counts words, digits and signs, which comes within a few tokens of the
recorded counts of short English prompts, and is the same everywhere: countTokens, promptTokenCount, maxOutputTokens.
"""

import re
from typing import Any

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


def count_content(content: dict[str, Any]) -> int:
    """Count one content: its texts, and one token for the turn. Recorded: "Say hi in Portuguese" with a system text is 11."""
    return 1 + sum(count_text(part.get("text", "")) for part in content.get("parts", []))


def count_prompt(request: dict[str, Any]) -> int:
    """Count a whole prompt, system instruction included."""
    contents = list(request.get("contents", []))
    if "systemInstruction" in request:
        contents.append(request["systemInstruction"])
    return sum(count_content(content) for content in contents)
