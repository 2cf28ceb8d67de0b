"""A second, plain reading of recorded native answers, from their JSON alone: what an OpenAI caller must get to see.

It shares no code with the translation, and does not care how an answer is told: whole, or in chunks that were added up.
"""

import base64
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from tests.judges import folding

Json = dict[str, Any]

DROPPED_FILE = Path(__file__).with_name("dropped.toml")

FILTERED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
}  # fmt: skip
"""Finish reasons that are a content filter's. Source: gemini-native reference, section 6."""

MENDED = {
    "STOP", "OTHER", "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE",
}  # fmt: skip
"""Ends that, without any content, are asked for once more. Source: CONTRACT, section 4; the issue, Odd endings."""

SURVIVES = {
    "finishMessage": "finish_message",
    "safetyRatings": "safety_ratings",
    "citationMetadata": "citation_metadata",
    "groundingMetadata": "grounding_metadata",
    "urlContextMetadata": "url_context_metadata",
    "avgLogprobs": "avg_logprobs",
    "continuationToken": "continuation_token",
}
"""Candidate fields without a place in OpenAI's form, and their names in `extra_content.google`."""

COUNTED = {
    "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount", "cachedContentTokenCount",
    "totalTokenCount", "promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails", "toolUsePromptTokensDetails",
    "serviceTier", "trafficType",
}  # fmt: skip
"""Usage fields that are read."""


@cache
def dropped() -> dict[str, str]:
    """Give the native keys that are left out of answers on purpose, each with its reason."""
    return {entry["key"]: entry["reason"] for entry in tomllib.loads(DROPPED_FILE.read_text("utf-8")).get("dropped", [])}


@dataclass
class Candidate:
    """What one candidate says in all."""

    text: str = ""
    thoughts: str = ""
    signatures: list[str] = field(default_factory=list)
    """Those of texts."""
    calls: list[Json] = field(default_factory=list)
    """Each with `name`, `args` and, where it has one, `signature`."""
    parts: list[Json] = field(default_factory=list)
    """All parts in order, but thoughts, interim pictures and empty texts; calls whole."""
    has_traces: bool = False
    """Whether a part is more than a text, a call, a picture or sound."""
    images: list[Json] = field(default_factory=list)
    """The pictures' parts."""
    sound: bytes = b""
    """Raw samples of all pieces."""
    finish: str | None = None
    survives: Json = field(default_factory=dict)


@dataclass
class Reading:
    """What a recorded answer says in all; `unread` are the keys that nobody accounts for, `left_out` those on the list."""

    candidates: dict[int, Candidate] = field(default_factory=dict)
    usage: Json = field(default_factory=dict)
    response_id: str | None = None
    model_version: str | None = None
    feedback: Json = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)

    @property
    def has_end(self) -> bool:
        """Whether the model said that it ended, or the prompt was blocked."""
        return any(candidate.finish for candidate in self.candidates.values()) or "blockReason" in self.feedback

    @property
    def is_asked_for_twice(self) -> bool:
        """Whether the server asks once more, since the answer ended without saying anything (CONTRACT, section 4)."""
        first = self.candidates.get(0, Candidate())
        return not (first.thoughts or first.parts) and (first.finish in MENDED or not self.has_end)


def twice(usage: Json) -> Json:
    """Give the usage of two calls that each cost this."""

    def doubled(value: Any) -> Any:
        match value:
            case int():
                return 2 * value
            case list():
                return [doubled(inner) for inner in value]
            case dict():
                return {key: doubled(inner) for key, inner in value.items()}
        return value

    return {key: doubled(value) for key, value in usage.items()}


def read(replies: list[Json]) -> Reading:
    """Read all replies to one request."""
    reading = Reading()
    for reply in replies:
        for key, value in reply.items():
            match key:
                case "candidates":
                    for native in value:
                        _candidate(reading, native)
                case "usageMetadata":
                    for name, number in value.items():
                        if name in COUNTED:
                            reading.usage[name] = number
                        else:
                            _unnamed(reading, f"usageMetadata.{name}")
                case "responseId":
                    reading.response_id = reading.response_id or value
                case "modelVersion":
                    reading.model_version = reading.model_version or value
                case "promptFeedback":
                    reading.feedback |= value
                case _:
                    _unnamed(reading, key)
    return reading


def _candidate(reading: Reading, native: Json) -> None:
    candidate = reading.candidates.setdefault(native.get("index", 0), Candidate())
    for key, value in native.items():
        if key == "content":
            for name in value.keys() - {"parts", "role"}:
                _unnamed(reading, f"content.{name}")
            for part in value.get("parts", []):
                _part(reading, candidate, part)
        elif key == "finishReason":
            candidate.finish = candidate.finish or value
        elif key in SURVIVES:
            if value:
                candidate.survives[SURVIVES[key]] = value
        elif key != "index":
            _unnamed(reading, key)


def _part(reading: Reading, candidate: Candidate, part: Json) -> None:
    if "functionCall" in part:
        _call(reading, candidate, part)
    elif "text" not in part:
        kind = part.get("inlineData", {}).get("mimeType", "").partition("/")[0]
        if part.get("thought") and kind:
            return  # an interim picture
        if kind == "image":
            candidate.images.append(part)
        elif kind == "audio":
            assert part["inlineData"]["mimeType"] == "audio/L16;codec=pcm;rate=24000"
            candidate.sound += base64.b64decode(part["inlineData"]["data"])
        else:
            candidate.has_traces = True
        candidate.parts.append({"inlineData": {"mimeType": part["inlineData"]["mimeType"]}} if kind == "audio" else part)
    else:
        for name in part.keys() - {"text", "thought", "thoughtSignature"}:
            _unnamed(reading, f"part.{name}")
        if "thoughtSignature" in part:
            candidate.signatures.append(part["thoughtSignature"])
        if part.get("thought"):
            candidate.thoughts += part["text"]
        else:
            candidate.text += part["text"]
            if part["text"] or "thoughtSignature" in part:
                candidate.parts.append(part)


def _call(reading: Reading, candidate: Candidate, part: Json) -> None:
    """Read a call: whole, or a piece of the last one."""
    native = part["functionCall"]
    for name in native.keys() - {"id", "name", "args", "partialArgs", "willContinue"}:
        _unnamed(reading, f"functionCall.{name}")
    if "name" in native:
        call = {"name": native["name"], "args": dict(native.get("args", {}))}
        whole = {key: native[key] for key in ("id", "name") if key in native} | {"args": call["args"]}
        candidate.parts.append(part | {"functionCall": whole})
        if "thoughtSignature" in part:
            call["signature"] = part["thoughtSignature"]
        candidate.calls.append(call)
    for partial in native.get("partialArgs", []):
        value = next((partial[key] for key in ("stringValue", "numberValue", "boolValue") if key in partial), None)
        _put(candidate.calls[-1]["args"], partial["jsonPath"], value)


def _put(args: Json, path: str, value: Any) -> None:
    """Put a value in its place, pieces of a text after one another."""
    steps = [int(step[1:-1]) if step[0] == "[" else step.lstrip(".") for step in re.findall(r"\.[^.\[\]]+|\[\d+\]", path)]
    into: Any = args
    for step, after in pairwise(steps):
        empty: Any = [] if isinstance(after, int) else {}
        if isinstance(into, list) and step == len(into):
            into.append(empty)
        elif isinstance(into, dict):
            into.setdefault(step, empty)
        into = into[step]
    last = steps[-1]
    if isinstance(into, list):
        if last == len(into):
            into.append(value)
        else:
            into[last] += value
    elif last in into:
        into[last] += value
    else:
        into[last] = value


def _unnamed(reading: Reading, key: str) -> None:
    (reading.left_out if key in dropped() else reading.unread).add(key)


def losses(reading: Reading, answer: Json) -> list[str]:
    """List what an answer (or what chunks add up to) lacks of a reading, or says otherwise."""
    found = [f"{key} is not read" for key in sorted(reading.unread)]

    def expect(place: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            found.append(f"{place}: {ours!r:.300}, expected {theirs!r:.300}")

    if reading.response_id is not None:
        expect("id", answer["id"], f"chatcmpl-{reading.response_id}")
    expect("system_fingerprint", answer.get("system_fingerprint"), reading.model_version)
    expect("choices", [choice["index"] for choice in answer["choices"]], sorted(reading.candidates) or [0])
    for choice in answer["choices"]:
        _compare_choice(reading, choice, expect)
    for place, number in expected_usage(reading.usage).items():
        outer, _, inner = place.rpartition(".")
        expect(f"usage.{place}", (answer["usage"][outer] if outer else answer["usage"]).get(inner, 0), number)
    expect("usage.extra_content", answer["usage"].get("extra_content", {}).get("google", {}), expected_extras(reading.usage))
    tier = reading.usage.get("serviceTier")
    expect("service_tier", answer.get("service_tier"), "default" if tier == "standard" else tier)
    return found


def _compare_choice(reading: Reading, choice: Json, expect: Any) -> None:
    candidate = reading.candidates.get(choice["index"], Candidate())
    message = choice["message"]
    place = f"choices[{choice['index']}]"
    google = dict(message.get("extra_content", {}).get("google", {}))
    is_blocked = "blockReason" in reading.feedback and not candidate.finish
    is_refused = is_blocked or (candidate.finish in FILTERED and not candidate.parts)
    expect(f"{place}.role", message["role"], "assistant")
    has_content = candidate.text or not (is_refused or candidate.calls or candidate.sound)
    expect(f"{place}.images", [_told_image(image) for image in message.get("images", [])], candidate.images)
    expect(f"{place}.audio", _told_sound(message.get("audio")), candidate.sound)
    expect(f"{place}.content", message["content"], candidate.text if has_content else None)
    expect(f"{place}.reasoning_content", message.get("reasoning_content", ""), candidate.thoughts)
    expect(f"{place}.finish_reason", choice["finish_reason"], _finish_reason(candidate, is_blocked=is_blocked))
    expect(f"{place}.refusal", bool(message["refusal"]), is_refused)
    if choice["index"] == 0 and (is_blocked or reading.feedback.get("safetyRatings")):
        expect("prompt_feedback", google.pop("prompt_feedback", None), reading.feedback)
    if candidate.signatures:
        expect(f"{place} signature", [google.pop("thought_signature", None)], candidate.signatures)
    if candidate.finish not in (None, "STOP", "MAX_TOKENS"):
        expect(f"{place} native finish reason", google.pop("finish_reason", None), candidate.finish)
    expect(f"{place}.tool_calls", [_told_call(call) for call in message.get("tool_calls", [])], candidate.calls)
    ids = [call["id"] for call in message.get("tool_calls", [])]
    expect(f"{place} distinct ids", len({*ids, ""}), len(ids) + 1)
    if candidate.has_traces:
        expect(f"{place} native parts", folding.joined(google.pop("parts", [])), folding.joined(candidate.parts))
    expect(f"{place}.annotations", _told_citations(message), _citations(candidate))
    expect(f"{place}.extra_content.google", google, candidate.survives)


def _finish_reason(candidate: Candidate, *, is_blocked: bool) -> str:
    if is_blocked or candidate.finish in FILTERED:
        return "content_filter"
    if candidate.finish in ("MAX_TOKENS", "CONTINUATION"):
        return "length"
    return "tool_calls" if candidate.calls else "stop"


def _told_image(image: Json) -> Json:
    """Read a picture that was told back into its native part."""
    mime_type, data = re.fullmatch(r"data:([^;]+);base64,(.*)", image["image_url"]["url"], re.DOTALL).groups()  # type: ignore[union-attr] # else the test fails
    part = {"inlineData": {"mimeType": mime_type, "data": data}}
    signature = image.get("extra_content", {}).get("google", {}).get("thought_signature")
    return part if signature is None else part | {"thoughtSignature": signature}


def _told_sound(audio: Json | None) -> bytes:
    """Read a sound that was told back into raw samples: behind the header of a WAV file."""
    return b"" if audio is None else base64.b64decode(audio["data"], validate=True)[44:]


def _told_call(call: Json) -> Json:
    """Read a call that was told back into a plain one."""
    plain = {"name": call["function"]["name"], "args": msgspec.json.decode(call["function"]["arguments"])}
    signature = call.get("extra_content", {}).get("google", {}).get("thought_signature")
    return plain if signature is None else plain | {"signature": signature}


def _told_citations(message: Json) -> list[tuple[str, str]]:
    """Give what annotations cite: the text between their offsets, and the address."""
    cited = [annotation["url_citation"] for annotation in message["annotations"]]
    return sorted((message["content"][one["start_index"] : one["end_index"]], one["url"]) for one in cited)


def _citations(candidate: Candidate) -> list[tuple[str, str]]:
    """Give what is cited, by the native metadata: a grounded segment's own text, a citation's bytes."""
    found: list[tuple[str, str]] = []
    grounding = candidate.survives.get("grounding_metadata", {})
    chunks = grounding.get("groundingChunks", [])
    for support in grounding.get("groundingSupports", []):
        for i in support.get("groundingChunkIndices", []):
            uris = [kind["uri"] for chunk in chunks[i : i + 1] for kind in chunk.values() if "uri" in kind]
            if uris and support["segment"]["text"] in candidate.text:
                found.append((support["segment"]["text"], uris[0]))
    for source in candidate.survives.get("citation_metadata", {}).get("citationSources", []):
        if "uri" in source and source["endIndex"] <= len(candidate.text.encode()):
            cited = candidate.text.encode()[source.get("startIndex", 0) : source["endIndex"]]
            found.append((cited.decode(), source["uri"]))
    return sorted(found)


def expected_usage(native: Json) -> dict[str, int]:
    """Say what the caller must read in `usage`, by the contract's section 3."""
    prompt = native.get("promptTokenCount", 0) + native.get("toolUsePromptTokenCount", 0)
    candidates, thoughts = native.get("candidatesTokenCount", 0), native.get("thoughtsTokenCount", 0)
    if thoughts and native.get("totalTokenCount") == prompt + candidates and candidates >= thoughts:
        candidates -= thoughts  # the total shows that they are inside
    heard = {detail["modality"]: detail.get("tokenCount", 0) for detail in native.get("promptTokensDetails", [])}
    said = {detail["modality"]: detail.get("tokenCount", 0) for detail in native.get("candidatesTokensDetails", [])}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": candidates + thoughts,
        "total_tokens": prompt + candidates + thoughts,
        "prompt_tokens_details.cached_tokens": native.get("cachedContentTokenCount", 0),
        "prompt_tokens_details.audio_tokens": heard.get("AUDIO", 0),
        "prompt_tokens_details.image_tokens": heard.get("IMAGE", 0),
        "prompt_tokens_details.text_tokens": heard.get("TEXT", 0) if len(heard) > 1 else 0,
        "completion_tokens_details.reasoning_tokens": thoughts,
        "completion_tokens_details.audio_tokens": said.get("AUDIO", 0),
        "completion_tokens_details.text_tokens": said.get("TEXT", 0) if len(said) > 1 else 0,
    }


PLACES = {
    "promptTokensDetails": ("prompt_tokens_details", {"TEXT", "IMAGE", "AUDIO"}),
    "candidatesTokensDetails": ("candidates_tokens_details", {"TEXT", "AUDIO"}),
    "cacheTokensDetails": ("cache_tokens_details", {"TEXT"}),
    "toolUsePromptTokensDetails": ("tool_use_prompt_tokens_details", {"TEXT"}),
}
"""The native details, our names for them, and the modalities that OpenAI's usage tells."""


def expected_extras(native: Json) -> Json:
    """Say what the caller must read under `google` in `usage`: what OpenAI's has no place for."""
    found: Json = {
        name: [{"tokenCount": 0} | detail for detail in native[key]]
        for key, (name, told) in PLACES.items()
        if not {detail["modality"] for detail in native.get(key, [])} <= told
    }
    if native.get("toolUsePromptTokenCount"):
        found["tool_use_prompt_token_count"] = native["toolUsePromptTokenCount"]
    if "trafficType" in native:
        found["traffic_type"] = native["trafficType"]
    return found
