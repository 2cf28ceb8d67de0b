"""Which owned resources a piece of native JSON names: what a request uses, what an answer made.

Only where resources are named: texts, data, and what belongs to a function call say nothing. Google's JSON takes keys in camel
and in snake case, and URIs of its own hosts in place of names.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

COLLECTIONS = (
    "files",
    "cachedContents",
    "batches",
    "fileSearchStores",
    "interactions",
    "operations",
    "tunedModels",
    "corpora",
    "agents",
    "environments",
    "triggers",
    "credentials",
    "webhooks",
    "decisions",
)

SAYS_NOTHING = frozenset(
    {
        "args",
        "arguments",
        "data",
        "description",
        "displayname",
        "input",
        "labels",
        "metadata",
        "parameters",
        "parametersjsonschema",
        "query",
        "responsejsonschema",
        "responseschema",
        "schema",
        "systeminstruction",
        "text",
        "thoughtsignature",
        "title",
    }
)
"""Keys, without case and underscores, whose texts are free; objects and lists below them are looked at all the same."""

FREE = frozenset({"args", "arguments", "labels", "parameters", "parametersjsonschema", "responsejsonschema", "responseschema"})
"""Keys below which everything is free: arguments and schemas are structures of the caller's own."""

NAMES = frozenset({"cachedcontent", "filename", "fileuri", "filesearchstore", "filesearchstorenames", "uri"})
"""Keys whose texts must name a resource, or lie outside of Google."""

NAME_CHARACTERS_MAX = 16_384
"""Longest text that may be a name or a URI; signed addresses have some thousand characters."""

_WHOLE = re.compile(
    rf"/?(?:(?:upload|download)/)?(?:v\d\w*/)?((?:{'|'.join(COLLECTIONS)})/[^/:?#\s]+)(?:/[^/:?#\s]+)*(?::\w+)?(?:[?#].*)?"
)
_OPERATION = re.compile(r"models/[^/\s]+/operations/[^/:?#\s]+")


def names_in(value: Any, *, host: str = "", strict: bool = False) -> set[str]:
    """Give the names of the resources that a piece of JSON refers to; `host` is the upstream's, beside Google's own.

    `strict` gives a name also for what stands where a resource must be named and is none: one that nobody has.
    """
    found: set[str] = set()
    for key, text in _texts(value):
        if key == "previousinteractionid":
            found.add(text if text.startswith("interactions/") else f"interactions/{text}")
        elif key in NAMES:
            name = resource(text, host)
            if name is None and strict and not _foreign(text, host):
                name = ("cachedContents/" if key == "cachedcontent" else "files/") + text[:NAME_CHARACTERS_MAX]
            if name is not None:
                found.add(name)
        elif key not in SAYS_NOTHING:
            name = resource(text, host)
            if name is not None:
                found.add(name)
    return found


def resource(text: str, host: str = "") -> str | None:
    """Give the resource that a text names, by name or by a URI of Google's; None for every other text."""
    if len(text) > NAME_CHARACTERS_MAX:
        return None
    text = unquote(text.strip())
    if "://" in text or text.startswith("//"):
        parts = _split(text)
        if parts is None or _foreign(text, host):
            return None
        text = parts.path
    if any(part in {".", ".."} for part in text.split("/")):
        return None
    if _OPERATION.fullmatch(text):
        return text
    found = _WHOLE.fullmatch(text)
    return found[1] if found else None


def made_by(answer: Any, collection: str) -> list[str]:
    """Give the names of what an answer to a creating request says was made."""
    if not isinstance(answer, dict):
        return []
    inner = answer.get("file")
    told = (answer.get("name"), inner.get("name") if isinstance(inner, dict) else None)
    made = [name for name in (resource(text) for text in told if isinstance(text, str)) if name is not None]
    if collection == "interactions" and isinstance(answer.get("id"), str):
        made.append(f"interactions/{answer['id'].removeprefix('interactions/')}")
    return made


def item_name(item: Any, collection: str) -> str:
    """Give the name of an item of a list, or nothing."""
    if not isinstance(item, dict):
        return ""
    name = item.get("name")
    if isinstance(name, str):
        return resource(name) or name
    name = item.get("id")
    return f"{collection}/{name}" if isinstance(name, str) else ""


def _foreign(text: str, host: str) -> bool:
    """Say whether a text is a URI of neither Google's API nor the upstream."""
    parts = _split(unquote(text.strip())) if len(text) <= NAME_CHARACTERS_MAX else None
    if parts is None or not (parts.scheme or parts.netloc):
        return False
    if parts.scheme.lower() not in {"http", "https", ""}:
        return True
    name = (parts.hostname or "").rstrip(".").lower()
    return name != host and not (name.endswith(".googleapis.com") and "generativelanguage" in name)


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Give every text with the key it stands under, without case and underscores. It keeps its own stack."""
    to_visit: list[tuple[str, Any]] = [("", value)]
    while to_visit:
        key, item = to_visit.pop()
        match item:
            case str():
                yield key, item
            case dict():
                for spelled, inner in item.items():
                    name = spelled.replace("_", "").lower()
                    if name not in FREE and not (key == "functionresponse" and name == "response"):
                        to_visit.append((name, inner))
            case list():
                to_visit += [(key, inner) for inner in item]
