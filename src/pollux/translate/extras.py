"""`extra_body.google` → native fields; the only place where two spellings of a key are accepted.

`extra_body.google.x`, `extra_body.x`, `google.x` are the same thing; snake and camel case alike. Clients nest it as they like:
Python's `extra_body` puts its content at the top level of the body. Source: OpenAI API surface, section 4; CONTRACT, section 5.
"""

import re
from typing import Any

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.notes import Note
from pollux.translate.safety import safety_settings
from pollux.wire.closed import joined
from pollux.wire.gemini.generate import SafetySetting, ThinkingConfig
from pollux.wire.openai.chat import ChatCompletionRequest

CACHED_CONTENT = re.compile(r"cachedContents/[A-Za-z0-9_-]{1,128}")
"""The name of a cache. Source: Gemini API, CachedContent.name."""

_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")


class Extras(msgspec.Struct, frozen=True):
    """Gemini's own fields of a chat request, in snake case. `config` is the generation config, each field with its place."""

    thinking_config: ThinkingConfig | None = None
    tools: list[dict[str, Any]] | None = None
    cached_content: str | None = None
    safety_settings: list[SafetySetting] | None = None
    labels: dict[str, str] | None = None
    store: bool | None = None
    service_tier: tuple[str, str] | None = None
    image_config: dict[str, Any] | None = None
    media_resolution: str | None = None
    config: dict[str, tuple[Any, str]] = {}


def extras(request: ChatCompletionRequest, notes: list[Note]) -> Extras:
    """Gather Gemini's own fields. Raises InvalidRequest, naming the place."""
    found = fields(request.extra_body, request.google)
    if request.safety_settings is not None:
        found.setdefault("safety_settings", (request.safety_settings, "safety_settings"))
    if not found:
        return _NONE
    known: dict[str, Any] = {}
    config: dict[str, tuple[Any, str]] = {}
    for name, (value, path) in found.items():
        match name:
            case "thinking_config":
                known[name] = converted(value, ThinkingConfig, path)
            case "tools":
                known[name] = converted(value if isinstance(value, list) else [value], list[dict[str, Any]], path)
            case "cached_content":
                known[name] = _cached_content(value, path)
            case "safety_settings":
                known[name] = safety_settings(value, path, notes)
            case "generation_config":
                config |= inside(value, path)
            case "labels":
                known[name] = _plain(value, dict[str, str], path)
            case "store":
                known[name] = _plain(value, bool, path)
            case "service_tier":
                known[name] = (_plain(value, str, path), path)
            case "top_k":
                config[name] = (value, path)
            case _:
                notes.append(Note(path, "ignored", "there is no such field for chat completions"))
    for name, kind in (("image_config", dict[str, Any]), ("media_resolution", str)):
        if name in config:
            value, path = config[name]
            known[name] = converted(value, kind, path)
    return Extras(config=config, **known)


_NONE = Extras()


def fields(extra_body: Any, google: Any) -> dict[str, tuple[Any, str]]:
    """Gather Gemini's own fields of any request: each in snake case, with its value and the place where it stood.

    Raises InvalidRequest where a place holds no object.
    """
    if extra_body is None and google is None:
        return {}
    found: dict[str, tuple[Any, str]] = {}
    body = _object(extra_body, "extra_body")
    inner = _object(body.get("google"), "extra_body.google")
    for place, path in ((body, "extra_body"), (_object(google, "google"), "google"), (inner, "extra_body.google")):
        for key, value in place.items():
            if value is not None and not (place is body and key == "google"):
                found[snake(key)] = (value, joined(path, key))
    return found


def snake(key: str) -> str:
    """Spell a key in snake case."""
    return _UPPER.sub(r"_\1", key).lower()


def camel(key: str) -> str:
    """Spell a key in camel case."""
    head, *tail = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def camel_keys(value: Any) -> Any:
    """Spell all keys of plain JSON in camel case, for native fields that callers may write either way."""
    match value:
        case dict():
            return {camel(key): camel_keys(item) for key, item in value.items()}
        case list():
            return [camel_keys(item) for item in value]
    return value


def _cached_content(value: Any, path: str) -> str:
    if not isinstance(value, str) or not CACHED_CONTENT.fullmatch(value):
        raise InvalidRequest(
            f"{path} must be the name of a cache, as in cachedContents/abc; `POST /v1beta/cachedContents` makes one.",
            param=path,
        )
    return value


def inside(value: Any, path: str) -> dict[str, tuple[Any, str]]:
    """Give the fields of an object in snake case, each with its value and its place; explicit null is absence."""
    return {snake(key): (inner, joined(path, key)) for key, inner in _object(value, path).items() if inner is not None}


def _object(value: Any, path: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path} must be an object.", param=path, code="invalid_type")
    return value


def converted(value: Any, kind: Any, path: str) -> Any:
    """Convert a native object that callers may spell either way."""
    return _plain(camel_keys(value), kind, path)


def _plain(value: Any, kind: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`")
        raise InvalidRequest(f"{path}{place}: {what}.", param=f"{path}{place}", code="invalid_type") from None
