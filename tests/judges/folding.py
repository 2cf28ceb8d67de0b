"""How a caller adds chunks up, by OpenAI's own accumulating rules, and what chunks must keep to for that to work.

Written from the rules, not from our code: strings join, numbers add, objects merge, lists of objects merge by `index`.
Source: OpenAI API, streaming; the accumulating helpers of the official clients.
"""

from typing import Any

Json = dict[str, Any]

REPLACED = ("index", "type")
"""Keys that a later piece says again instead of adding to."""

WHOLE_ONLY: Json = {"refusal": None, "annotations": []}
"""What a whole message always has, and deltas only when there is something to say."""


def fold(chunks: list[Json]) -> Json:
    """Add chunks up to a whole answer. Raises ValueError where a client would."""
    first = chunks[0]
    answer: Json = {"id": first["id"], "object": "chat.completion", "created": first["created"], "model": first["model"]}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        for key in ("service_tier", "system_fingerprint", "usage"):
            if chunk.get(key) is not None:
                answer[key] = chunk[key]
        for piece in chunk["choices"]:
            index = piece["index"]
            if index not in choices:
                if index != len(choices):
                    raise ValueError(f"choice {index} comes before choice {len(choices)}")
                choices[index] = {"index": index, "message": {}, "finish_reason": None, "logprobs": None}
            merge(choices[index]["message"], piece["delta"])
            if piece.get("logprobs") is not None:
                told = choices[index]["logprobs"] or {"content": [], "refusal": None}
                choices[index]["logprobs"] = told | {"content": [*told["content"], *piece["logprobs"]["content"]]}
            if piece.get("finish_reason") is not None:
                choices[index]["finish_reason"] = piece["finish_reason"]
    for choice in choices.values():
        choice["message"] = WHOLE_ONLY | choice["message"]
        for call in choice["message"].get("tool_calls", []):
            del call["index"]  # it is the place in the list
    return answer | {"choices": list(choices.values())}


def merge(into: Json, delta: Json) -> None:
    """Add one delta to what is there."""
    for key, new in delta.items():
        old = into.get(key)
        if old is None or key in REPLACED:
            into[key] = _owned(new)
        elif isinstance(old, str) and isinstance(new, str):
            into[key] = old + new
        elif isinstance(old, (int, float)) and isinstance(new, (int, float)):
            into[key] = old + new  # booleans too, as the clients do
        elif isinstance(old, dict) and isinstance(new, dict):
            merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            _merge_lists(old, new, key)
        elif new is not None:
            raise ValueError(f"{key}: {type(new).__name__} cannot be added to {type(old).__name__}")


def _merge_lists(old: list[Any], new: list[Any], key: str) -> None:
    for entry in new:
        if not isinstance(entry, dict):
            old.append(entry)
            continue
        if "index" not in entry:
            raise ValueError(f"{key}: a later list of objects without index")
        if entry["index"] < len(old):
            merge(old[entry["index"]], entry)
        else:
            old.insert(entry["index"], _owned(entry))


def _owned(value: Any) -> Any:
    """Copy plain JSON, so that adding to it changes no chunk."""
    if isinstance(value, dict):
        return {key: _owned(inner) for key, inner in value.items()}
    return [_owned(inner) for inner in value] if isinstance(value, list) else value


def alike(answer: Json) -> Json:
    """Spell an answer so that answers which differ only in how texts were cut are equal: the native parts among the extras.

    Marks that clients add up, as they do booleans, are marks again.
    """
    spelled: Json = _owned(answer)
    for choice in spelled["choices"]:
        google = choice["message"].get("extra_content", {}).get("google", {})
        if "parts" in google:
            google["parts"] = joined(google["parts"])
        if "thought" in google:
            google["thought"] = bool(google["thought"])
    return spelled


def joined(parts: list[Json]) -> list[Json]:
    """Join neighbouring texts, whose signatures become a list."""
    found: list[Json] = []
    for part in parts:
        if part.keys() - {"thoughtSignature"} != {"text"}:
            found.append(part)
            continue
        if not found or "signatures" not in found[-1]:
            found.append({"text": "", "signatures": []})
        found[-1]["text"] += part["text"]
        found[-1]["signatures"] += [part["thoughtSignature"]] if "thoughtSignature" in part else []
    return found


def breaches(chunks: list[Json]) -> list[str]:
    """List where chunks break the rules that every caller counts on."""
    constant = ("id", "object", "created", "model")
    found = [f"{key} changes" for key in constant if len({chunk[key] for chunk in chunks}) != 1]
    if chunks[0]["object"] != "chat.completion.chunk":
        found.append("object is not chat.completion.chunk")
    seen: list[int] = []
    roles: list[int] = []
    ended: list[int] = []
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        for piece in chunk["choices"]:
            index = piece["index"]
            if index not in seen:
                seen.append(index)
                if piece["delta"].get("role") != "assistant":
                    found.append(f"choice {index} does not begin with its role")
            if "role" in piece["delta"]:
                roles.append(index)
            if index in ended:
                found.append(f"choice {index} goes on after its end")
            found += _call_breaches(piece["delta"].get("tool_calls", []), calls.setdefault(index, []))
            if "finish_reason" not in piece:
                found.append("finish_reason is missing")
            elif piece["finish_reason"] is not None:
                ended.append(index)
    if seen != list(range(len(seen))):
        found.append(f"choices begin in the order {seen}")
    if len(roles) != len(set(roles)):
        found.append("a role is said twice")
    if sorted(ended) != sorted(seen):
        found.append(f"of the choices {seen} end {ended}")
    if not seen:
        found.append("there is no choice")
    return found


def _call_breaches(deltas: list[Json], ids: list[str]) -> list[str]:
    """List where tool calls break the rules; `ids` are those of the choice so far, in the order of their indexes."""
    found: list[str] = []
    for delta in deltas:
        if delta.get("index") == len(ids):
            ids.append(delta.get("id", ""))
            called = delta.get("function") or delta.get("custom") or {}
            if not delta.get("id") or ids.count(delta["id"]) > 1:
                found.append("a call has no id of its own")
            if not delta.get("type") or not called.get("name"):
                found.append("a call does not begin with its type and name")
        elif delta.get("index") != len(ids) - 1:
            found.append(f"call {delta.get('index')} comes after {len(ids)} calls")
        elif delta.keys() - {"index", "function", "custom"} or delta.get("function", {}).keys() - {"arguments"}:
            found.append("a later piece of a call is more than arguments")
    return found


def usage_breaches(chunks: list[Json], mode: str) -> list[str]:
    """List where the usage in a stream is not as asked: `none`, `last` (null until a last chunk) or `each` (zero until it)."""
    if mode == "none":
        return ["usage was not asked for"] if any("usage" in chunk for chunk in chunks) else []
    *earlier, last = chunks
    found = [] if last["choices"] == [] and last.get("usage") else ["the last chunk is not the usage"]
    for chunk in earlier:
        before = chunk.get("usage", "missing")
        if chunk["choices"] == [] or (before is not None if mode == "last" else before == "missing" or before["total_tokens"]):
            found.append(f"an earlier chunk has usage {before}")
    return found
