"""embedContent and batchEmbedContents: vectors that follow from what they stand for.

A vector is a sum over the words, word pairs and letter triples of a text: each has some places and signs of its own among
the 3,072. Texts that share words have vectors that lie near each other, and nothing else is like a real model's. Media are
drawn from their bytes: the same file is near itself only. Shorter vectors are the head of the long one (Matryoshka); the head
carries more than its share, so that 768 of gemini-embedding-001 have the recorded length of some 0.57.

Source: gemini-native.md, section 15; recorded embeddings.
"""

import base64
import binascii
import functools
import hashlib
import math
import re
from collections.abc import Iterator
from typing import Any

from pollux.emulator import errors
from pollux.emulator.errors import invalid
from pollux.emulator.models import Model
from pollux.emulator.tokens import count_part, details, files_of

SIZE = 3072
"""Dimensions of today's models; the head of a vector is a shorter one."""

INPUTS_MAX = 100

PLACES = 24
"""Places of the vector that one feature touches."""

QUIET = 0.0002
"""Of what stands everywhere: so little that it decides no likeness."""

FEATURES_MAX = 20_000
"""Features of one input that are counted; more would only cost time."""

HEAD_SIZE, HEAD_SHARE = 768, 0.33
"""The head of a vector, and its share of the square of the length (recorded: the head is 0.567 to 0.579 long)."""

WORD = re.compile(r"\w+")

TASKS = frozenset(
    (
        "TASK_TYPE_UNSPECIFIED",
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    )
)

QUIET_WITHOUT_USAGE = ("gemini-embedding-001", "gemini-embedding-2-preview")
"""Models whose answers say no tokens (recorded)."""

TEXT_ONLY = ("gemini-embedding-001",)


def embed_batch(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Answer batchEmbedContents."""
    inputs = request.get("requests", [])
    if not inputs:
        # AFTER "contents is not specified".
        raise invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n")
    if len(inputs) > INPUTS_MAX:
        # https://github.com/geldata/gel/issues/9032
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {INPUTS_MAX} requests can be in one batch\n")
    for i, one in enumerate(inputs):
        named = one.get("model", "")
        if not named:
            raise invalid(f"* BatchEmbedContentsRequest.requests[{i}].model: model is not specified\n")
        if named.removeprefix("models/") != model.name:
            # AFTER the batch's other refusals.
            raise invalid(f"* BatchEmbedContentsRequest.requests[{i}].model: model must match the model in the path\n")
    vectors = [{"values": vector(one, model, f"BatchEmbedContentsRequest.requests[{i}]")} for i, one in enumerate(inputs)]
    return {"embeddings": vectors} | _usage(inputs, model)


def embed_one(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Answer embedContent."""
    return {"embedding": {"values": vector(request, model, "EmbedContentRequest")}} | _usage([request], model)


def vector(request: dict[str, Any], model: Model, place: str) -> list[float]:
    """Make the vector of one input, or refuse it in the service's words."""
    parts = request.get("content", {}).get("parts", [])
    if not parts:
        # Quoted in public threads.
        raise invalid(f"* {place}.content: content is not specified\n")
    if not any(part.get("text") or "inlineData" in part or "fileData" in part for part in parts):
        # Quoted in public threads.
        raise invalid("The text content is empty.")
    if model.name in TEXT_ONLY and not all("text" in part for part in parts):
        raise invalid(f"Input content contains non-text parts, which {model.name} does not support.")  # AFTER others
    task = request.get("taskType", "")
    if task and task not in TASKS:
        raise invalid(f"* {place}.task_type: unknown task type\n")
    if request.get("title") and task != "RETRIEVAL_DOCUMENT":
        # Gemini API, EmbedContentRequest.title: only applicable when the task is RETRIEVAL_DOCUMENT.
        raise invalid(f"* {place}.title: title is only supported for RETRIEVAL_DOCUMENT\n")
    size = request.get("outputDimensionality", SIZE) or SIZE
    if not 1 <= size <= SIZE:
        raise invalid(f"* {place}.output_dimensionality: output_dimensionality must be in the range [1, {SIZE}].\n")
    if _tokens([request]) > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)
    values = _drawn(_features(parts))
    if model.name not in TEXT_ONLY:
        return _long(values[:size], 1.0)
    return (_long(values[:HEAD_SIZE], math.sqrt(HEAD_SHARE)) + _long(values[HEAD_SIZE:], math.sqrt(1 - HEAD_SHARE)))[:size]


def _long(values: list[float], length: float) -> list[float]:
    """Scale numbers to a length, and round them as the service does."""
    by = length / (math.hypot(*values) or 1.0)
    return [round(value * by, 9) for value in values]


def _features(parts: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Give what an input is made of, with its weight; rare and long things weigh more."""
    found = 0
    for part in parts:
        for feature in _features_of(part):
            yield feature
            found += 1
            if found >= FEATURES_MAX:
                return


def _features_of(part: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if "text" in part:
        words = [word.casefold() for word in WORD.findall(part["text"])] or [part["text"]]
        for i, word in enumerate(words):
            yield f"word {word}", min(len(word), 8) / 4
            for j in range(len(word) - 2):
                yield f"letters {word[j : j + 3]}", 0.3
            if i:
                yield f"pair {words[i - 1]} {word}", 0.5
    elif "inlineData" in part:
        try:
            data = base64.b64decode(part["inlineData"].get("data", "").translate(_URL_SAFE) + "==")
        except binascii.Error:
            raise invalid("Unable to process input image. Please retry or report in a bug report.") from None
        yield f"bytes {hashlib.sha256(data).hexdigest()}", 3.0
    elif "fileData" in part:
        yield f"file {part['fileData'].get('fileUri', '')}", 3.0


_URL_SAFE = str.maketrans("-_", "+/")


def _drawn(features: Iterator[tuple[str, float]]) -> list[float]:
    """Add up the places and signs of all features, and a little of each at every place, so that no head is empty."""
    listed = list(features)
    quiet = hashlib.shake_256(repr(listed).encode()).digest(SIZE)
    values = [(byte - 127.5) * QUIET for byte in quiet]
    for name, weight in listed:
        for place, sign in _places(name):
            values[place] += sign * weight
    return values


@functools.lru_cache(maxsize=16_384)
def _places(name: str) -> tuple[tuple[int, float], ...]:
    """Give the places and signs of a feature."""
    digest = hashlib.shake_256(name.encode("utf-8", "replace")).digest(PLACES * 2)
    numbers = [int.from_bytes(digest[i : i + 2], "big") for i in range(0, len(digest), 2)]
    return tuple((number % SIZE, 1.0 if number & 0x8000 else -1.0) for number in numbers)


def _usage(inputs: list[dict[str, Any]], model: Model) -> dict[str, Any]:
    """Say the tokens of all inputs; the field's name is the singular that was recorded."""
    if model.name in QUIET_WITHOUT_USAGE:
        return {}
    counted: dict[str, int] = {}
    for part in (part for one in inputs for part in one.get("content", {}).get("parts", [])):
        files = files_of(part)
        for file in files:
            for modality, tokens in file["tokens"].items():
                counted[modality] = counted.get(modality, 0) + tokens
        if not files:
            counted["TEXT"] = counted.get("TEXT", 0) + count_part(part)
    return {"usageMetadata": {"promptTokenCount": sum(counted.values()), "promptTokenDetails": details(counted)}}


def _tokens(inputs: list[dict[str, Any]]) -> int:
    return sum(count_part(part) for one in inputs for part in one.get("content", {}).get("parts", []))
