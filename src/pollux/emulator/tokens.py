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


FILE, CACHE = "@file", "@cache"
"""Where a request holds what `references` looked up: beside a part's media, and in place of `cachedContent`."""


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
    parts: list[dict[str, Any]] = content.get("parts", [])
    files = [file for part in parts for file in files_of(part)]
    return 1 + sum(count_part(part) for part in parts) + sum(sum(file["tokens"].values()) for file in files)


def files_of(part: dict[str, Any]) -> list[dict[str, Any]]:
    """List the media that a part holds or refers to, itself or in a function's result, once they were looked at."""
    inner = part.get("functionResponse", {}).get("parts", [])
    return [item[FILE] for item in [part, *inner] if FILE in item]


def modalities(request: dict[str, Any]) -> dict[str, int]:
    """Count a whole prompt by modality; together they are `count_prompt`."""
    counted = {"TEXT": count_prompt(request)}
    for content in request.get("contents", []):
        for part in content.get("parts", []):
            for file in files_of(part):
                for modality, tokens in file["tokens"].items():
                    counted["TEXT"] -= tokens
                    counted[modality] = counted.get(modality, 0) + tokens
    return counted


def cached_usage(request: dict[str, Any]) -> tuple[dict[str, int], dict[str, Any]]:
    """Say what a usage tells of a cached part: the count, and the details by modality. Without a cache: nothing."""
    tokens: dict[str, int] = request.get(CACHE, {}).get("tokens", {})
    if not tokens:
        return {}, {}
    return {"cachedContentTokenCount": sum(tokens.values())}, {"cacheTokensDetails": details(tokens)}


def details(counted: dict[str, int]) -> list[dict[str, Any]]:
    """Write counts by modality as the service does."""
    return [{"modality": modality, "tokenCount": tokens} for modality, tokens in counted.items() if tokens]


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
