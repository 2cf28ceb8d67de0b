"""The answers of image models: words, thoughts and one picture, whole or streamed.

Recorded: 2.5 draws PNG and signs nothing; its stream tells words, the picture, then an empty text with STOP; without words one
event is all. 3.x draws JPEG and signs words and picture; its `candidatesTokenCount` is some hundred above the IMAGE detail.
NO_IMAGE is a candidate without a content. From documentation alone: thought pictures, streams of 3.x.
"""

import base64
from dataclasses import dataclass, replace
from typing import Any

from pollux.emulator import google_tools
from pollux.emulator.answers import last_user_text, natural_text
from pollux.emulator.faults import Fault
from pollux.emulator.grounding import Sources
from pollux.emulator.media.attached import decoded
from pollux.emulator.media.pool import off_the_loop
from pollux.emulator.pictures import rules
from pollux.emulator.pictures.drawing import Order, drawn, upright_size
from pollux.emulator.pictures.sizes import SIZES
from pollux.emulator.replies import Stamp
from pollux.emulator.settle import Answer, Draft, settle
from pollux.emulator.tokens import FILE, details

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """The pieces of an answer in their order, with the tokens counted when each was said."""

    parts: tuple[tuple[Part, int, bool], ...]
    """A part, its tokens, and whether they are a picture's."""
    finish: str
    answer: Answer
    sources: dict[str, Any]


async def replies(request: dict[str, Any], stamp: Stamp, fault: Fault, *, streamed: bool) -> list[dict[str, Any]]:
    """Answer with a picture, or end without one; drawn beside the event loop."""
    return await off_the_loop(lambda: _replies(request, stamp, fault, streamed=streamed))


def _replies(request: dict[str, Any], stamp: Stamp, fault: Fault, *, streamed: bool) -> list[dict[str, Any]]:
    config, prompt = request.get("generationConfig", {}), last_user_text(request)
    modalities = rules.asked_modalities(config) or ["TEXT", "IMAGE"]
    finish = fault.finish or rules.ending(prompt, may_write="TEXT" in modalities)
    if fault.blocked:
        return [{"promptFeedback": {"blockReason": fault.blocked}} | _ending(stamp, None)]
    if finish not in ("STOP", "MAX_TOKENS") or fault.empty:
        candidate: dict[str, Any] = {"finishReason": finish, "index": 0}
        if message := rules.SAID.get(finish):
            candidate["finishMessage"] = message
        return [{"candidates": [candidate]} | _ending(stamp, None)]
    told = _told(request, stamp, prompt, modalities)
    return _events(told, stamp) if streamed else [_whole(told, stamp)]


def _told(request: dict[str, Any], stamp: Stamp, prompt: str, modalities: list[str]) -> Told:
    model = stamp.model
    draws = "IMAGE" in modalities and not ("TEXT" in modalities and rules.is_question(prompt))
    order = _order(request, stamp, prompt) if draws else None
    used = google_tools.used_tools(request, model)
    words = ""
    if "TEXT" in modalities and (order is None or rules.wants_words(prompt, model)):
        shown = f"The picture shows the prompt on {order.width} by {order.height} pixels." if order else ""
        words = natural_text(request, model, (*used.sentences, shown) if shown else used.sentences)
    answer = settle(Draft(words), request, model, stamp.digest)
    parts: list[tuple[Part, int, bool]] = [({"text": text, "thought": True}, 0, False) for text in answer.thoughts]
    finish = answer.finish
    for text, tokens in zip(answer.texts, answer.text_tokens, strict=True):
        parts.append(({"text": text}, tokens, False))
    if order is not None and finish == "STOP":
        size = rules.image_config(request.get("generationConfig", {})).get("imageSize") or "1K"
        tokens = SIZES[model.family_name].tokens[size]
        limit = request.get("generationConfig", {}).get("maxOutputTokens", model.output_token_limit)
        if answer.thought_tokens + sum(answer.text_tokens) + tokens > limit:
            finish = "MAX_TOKENS"
        else:
            if answer.thoughts and model.family_name == "3-pro-image":
                sketch = drawn(replace(order, sketch=True))
                parts.insert(len(answer.thoughts), (_picture(sketch, order.mime_type) | {"thought": True}, 0, False))
            parts.append((_picture(drawn(order), order.mime_type), tokens, True))
    return Told(tuple(parts), finish, answer, _sources(used.sources, "".join(answer.texts)))


def _sources(sources: Sources, words: str) -> dict[str, Any]:
    """Tell where a picture comes from. Recorded: queries and sources, which support no words and count no tokens."""
    told = sources.metadata(words)
    if not words and "groundingMetadata" in told:
        told["groundingMetadata"].pop("groundingSupports", None)
    return told


def _order(request: dict[str, Any], stamp: Stamp, prompt: str) -> Order:
    """Decide what is drawn: the ratio that was asked for, else the input's, else a square."""
    sizes = SIZES[stamp.model.family_name]
    wanted = rules.image_config(request.get("generationConfig", {}))
    inputs = _inputs(request)
    ratio = wanted.get("aspectRatio") or (sizes.nearest(*upright_size(inputs[0])) if inputs else "1:1")
    width, height = sizes.pixels(ratio, wanted.get("imageSize") or "1K")
    signed = f"Pollux emulator of {stamp.model.target or stamp.model.name}"
    return Order(prompt, width, height, wanted.get("mimeType") or sizes.mime_type, stamp.digest, tuple(inputs), signed)


def _inputs(request: dict[str, Any]) -> list[bytes]:
    """Take the pictures of the last content; where it has none, the last of the conversation, which it is about."""
    listed = [[_bytes(part) for part in content.get("parts", []) if _is_picture(part)] for content in request["contents"]]
    if listed[-1]:
        return listed[-1]
    return next((pictures[-1:] for pictures in reversed(listed) if pictures), [])


def _is_picture(part: Part) -> bool:
    return (
        part.get(FILE, {}).get("kind") == "image"
        and ("inlineData" in part or "bytes" in part[FILE])
        and not part.get("thought")
    )


def _bytes(part: Part) -> bytes:
    if "inlineData" in part:
        return decoded(part["inlineData"].get("data", ""))
    return bytes(part[FILE]["bytes"])


def _picture(data: bytes, mime_type: str) -> Part:
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}}


def _whole(told: Told, stamp: Stamp) -> dict[str, Any]:
    """Say all in one reply, the pieces of words joined."""
    parts: list[Part] = []
    words = "".join(part["text"] for part, _, _ in told.parts if "text" in part and not part.get("thought"))
    for part, _, _ in told.parts:
        if "text" in part and not part.get("thought"):
            if words:
                parts.append(_signed({"text": words}, stamp))
            words = ""
        else:
            parts.append(_signed(part, stamp))
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}}
    candidate |= {"finishReason": told.finish, "index": 0} | told.sources
    return {"candidates": [candidate]} | _ending(stamp, told)


def _events(told: Told, stamp: Stamp) -> list[dict[str, Any]]:
    """Say each part in an event of its own."""
    listed: list[dict[str, Any]] = []
    for number, (part, _, is_picture) in enumerate(told.parts, 1):
        said = _signed(part, stamp) if is_picture else part
        candidate = {"content": {"parts": [said], "role": "model"}, "index": 0}
        so_far = Told(told.parts[:number], told.finish, told.answer, {})
        listed.append({"candidates": [candidate]} | _ending(stamp, so_far))
    if len(listed) == 1 and not stamp.model.family.signs_text and told.finish == "STOP":
        listed[0]["candidates"][0] |= {"finishReason": told.finish} | told.sources
        return listed
    last: dict[str, Any] = {"content": {"parts": [_signed({"text": ""}, stamp)], "role": "model"}} if listed else {}
    return [*listed, {"candidates": [last | {"finishReason": told.finish, "index": 0} | told.sources]} | _ending(stamp, told)]


def _signed(part: Part, stamp: Stamp) -> Part:
    """Sign words and pictures of 3.x; thoughts are not signed."""
    if not stamp.model.family.signs_text or part.get("thought"):
        return part
    return part | {"thoughtSignature": stamp.signature(part, "image" if "inlineData" in part else "text 0")}


def _ending(stamp: Stamp, told: Told | None) -> dict[str, Any]:
    """Tell the usage so far and what all events share."""
    pictures = sum(tokens for _, tokens, is_picture in told.parts if is_picture) if told else 0
    tokens = sum(tokens for _, tokens, _ in told.parts) if told else 0
    if pictures and stamp.model.family.signs_text:
        tokens += 64 + stamp.digest[9] % 128
    thoughts = told.answer.thought_tokens if told and tokens else 0
    usage: dict[str, Any] = {"promptTokenCount": stamp.prompt_tokens}
    if tokens:
        usage["candidatesTokenCount"] = tokens
    usage["totalTokenCount"] = stamp.prompt_tokens + tokens + thoughts
    usage["promptTokensDetails"] = details(stamp.prompt_details or {"TEXT": stamp.prompt_tokens})
    if pictures:
        usage["candidatesTokensDetails"] = details({"IMAGE": pictures})
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    usage["serviceTier"] = stamp.service_tier
    return {"usageMetadata": usage, "modelVersion": stamp.model.target or stamp.model.name, "responseId": stamp.response_id}
