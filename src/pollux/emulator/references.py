"""What a request refers to: files by their URIs, and a cached content by its name.

    resolve → a request that holds what it refers to: `@file` beside each `fileData`, the cache's contents before its own,
    and `@cache` in place of `cachedContent`

No caller can send the two names: the field tables know none like them. Media are not understood yet: a text file is
counted and quoted, any other counts as one image or one page does.
"""

import asyncio
import re
from typing import Any

from pollux.emulator import refusals
from pollux.emulator.caches import Cache, Caches, not_beside, not_found, other_model
from pollux.emulator.errors import invalid
from pollux.emulator.files import File, Files, not_active
from pollux.emulator.limits import FILE_TEXT_BYTES_MAX
from pollux.emulator.models import Model
from pollux.emulator.tokens import CACHE, FILE, count_text, files_of

FILE_URI = re.compile(r"(?P<origin>https?://[^/]+)?/?(?:v1|v1beta|v1alpha)/files/(?P<id>[^/:?#]+)|files/(?P<name>[^/:?#]+)")

GOOGLE = "https://generativelanguage.googleapis.com"

LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")

TEXT_TYPES = ("application/json", "application/xml", "application/javascript", "application/x-javascript",
              "application/x-python-code", "application/rtf", "application/yaml")  # fmt: skip

MEDIA_TOKENS = 258
"""Recorded for one page of a PDF; an image of one tile has as many. Source: gemini-native.md, section 14."""

QUOTE_CHARS_MAX = 160


async def resolve(
    request: dict[str, Any], model: Model, project: str, files: Files, caches: Caches, base_url: str
) -> dict[str, Any]:
    """Look up what a request refers to, or refuse as the service does."""
    request = await with_files(request, project, files, base_url)
    name = request.get("cachedContent")
    if not name:
        return request
    if any(request.get(part) for part in ("systemInstruction", "tools", "toolConfig")):
        raise not_beside()
    refusals.check_contents(request.get("contents", []), "GenerateContentRequest")
    if not str(name).startswith("cachedContents/"):
        raise not_found()
    cache = caches.find(project, str(name).removeprefix("cachedContents/"))
    if (cache.model.target or cache.model.name) != (model.target or model.name):
        raise other_model(model.name, cache.model.name)
    return _with_cache(request, cache)


async def with_files(request: dict[str, Any], project: str, files: Files, base_url: str) -> dict[str, Any]:
    """Look up the files of a request's contents; other URIs are left as they are."""
    contents = [await _content(content, project, files, base_url) for content in request.get("contents", [])]
    return {**request, "contents": contents} if contents else request


def told(request: dict[str, Any]) -> str:
    """Tell of what the request refers to, for the emulator's own answers."""
    sentences = []
    if CACHE in request:
        cache = request[CACHE]
        sentences.append(f"{sum(cache['tokens'].values())} cached tokens of {cache['name']} were used.")
    for content in request.get("contents", []):
        for part in content.get("parts", []):
            sentences += [_told_file(file) for file in files_of(part)]
    return " ".join(sentences)


def _with_cache(request: dict[str, Any], cache: Cache) -> dict[str, Any]:
    merged = {name: value for name, value in request.items() if name != "cachedContent"}
    merged |= {name: value for name, value in cache.request.items() if name != "contents"}
    merged["contents"] = [*cache.request.get("contents", []), *request.get("contents", [])]
    merged[CACHE] = {"name": cache.name, "tokens": cache.tokens}
    return merged


async def _content(content: dict[str, Any], project: str, files: Files, base_url: str) -> dict[str, Any]:
    if not any("fileData" in item for part in content.get("parts", []) for item in [part, *_inner_parts(part)]):
        return content
    parts = [await _part(part, project, files, base_url) for part in content["parts"]]
    return {**content, "parts": parts}


async def _part(part: dict[str, Any], project: str, files: Files, base_url: str) -> dict[str, Any]:
    """Look up one part's file, and those in the parts of a function's result."""
    inner = _inner_parts(part)
    if inner:
        result = {**part["functionResponse"], "parts": [await _part(item, project, files, base_url) for item in inner]}
        part = {**part, "functionResponse": result}
    name = _file_name(part.get("fileData", {}).get("fileUri", ""), base_url)
    if not name:
        return part
    file = files.find(project, name)
    if file.state(files.clock.now()) != "ACTIVE":
        raise not_active(name)
    return {**part, FILE: await _described(file)}


def _inner_parts(part: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = part.get("functionResponse", {}).get("parts", [])
    return parts


def _file_name(uri: str, base_url: str) -> str:
    """Find the file's id in a URI of this emulator or of Google's service; any other URI is not a file of the Files API."""
    found = FILE_URI.fullmatch(uri)
    if found is None or (found["origin"] and not _is_here(found["origin"], base_url)):
        return ""
    return found["id"] or found["name"] or ""


def _is_here(origin: str, base_url: str) -> bool:
    """Tell whether an origin is this emulator, by whatever name this machine has, or Google's service."""
    host = origin.partition("://")[2].lower()
    return origin.lower() in (base_url.lower(), GOOGLE) or LOOPBACK.fullmatch(host) is not None


async def _described(file: File) -> dict[str, Any]:
    kind = _modality(file.mime_type)
    about: dict[str, Any] = {
        "name": f"files/{file.id}",
        "mimeType": file.mime_type,
        "sizeBytes": file.content.size,
        "displayName": file.display_name,
        "modality": kind,
        "tokens": MEDIA_TOKENS,
    }
    if kind == "TEXT":
        data = await asyncio.to_thread(file.content.read, 0, FILE_TEXT_BYTES_MAX)
        text = data.decode(errors="replace")
        about["tokens"] = count_text(text) + (file.content.size - len(data)) // 4
        about["begins"] = " ".join(text[: QUOTE_CHARS_MAX * 2].split())[:QUOTE_CHARS_MAX]
    return about


def _modality(mime_type: str) -> str:
    """Say what a file counts as, or refuse a type that no model reads."""
    kind = mime_type.partition("/")[0]
    if kind == "text" or mime_type in TEXT_TYPES:
        return "TEXT"
    if kind in ("image", "audio", "video"):
        return kind.upper()
    if mime_type == "application/pdf":
        return "DOCUMENT"
    # Quoted in many public threads.
    raise invalid(f"Unsupported MIME type: {mime_type}")


def _told_file(file: dict[str, Any]) -> str:
    title = f" “{file['displayName']}”" if file["displayName"] else ""
    begins = f" It begins with “{file['begins']}”." if file.get("begins") else ""
    return f"It refers to {file['name']}{title}, {file['mimeType']}, {file['sizeBytes']} bytes.{begins}"
