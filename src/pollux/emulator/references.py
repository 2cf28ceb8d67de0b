"""What a request holds and refers to: media, files by their URIs, and a cached content by its name.

    resolve → a request that holds what it refers to: `@file` beside each `inlineData` and `fileData`, the cache's contents
    before its own, and `@cache` in place of `cachedContent`

No caller can send the two names: the field tables know none like them.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Any

from pollux.emulator import refusals
from pollux.emulator.caches import Cache, Caches, not_beside, not_found, other_model
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.files import File, Files, not_active
from pollux.emulator.limits import IMAGES_MAX, MEDIA_TOLD_MAX
from pollux.emulator.media.attached import Bound, attached_file, attached_inline, attached_url, broken, check_modality
from pollux.emulator.media.facts import Broken
from pollux.emulator.media.kinds import kind_of
from pollux.emulator.models import Model
from pollux.emulator.tokens import CACHE, FILE, files_of

FILE_URI = re.compile(r"(?P<origin>https?://[^/]+)?/?(?:v1|v1beta|v1alpha)/files/(?P<id>[^/:?#]+)|files/(?P<name>[^/:?#]+)")

GOOGLE = "https://generativelanguage.googleapis.com"

LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


async def resolve(
    request: dict[str, Any], model: Model, project: str, files: Files, caches: Caches, base_url: str
) -> dict[str, Any]:
    """Look up what a request refers to, or refuse as the service does."""
    request = await with_media(request, model, project, files, base_url)
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


async def with_media(request: dict[str, Any], model: Model, project: str, files: Files, base_url: str) -> dict[str, Any]:
    """Look at the media of a request's contents, and look up its files; what is broken or missing is refused."""
    contents = request.get("contents", [])
    if not any(map(_has_media, contents)):
        return request
    if sum(1 for content in contents for part in content.get("parts", []) if "inlineData" in part) > IMAGES_MAX:
        # Quoted in public logs, with another number.
        raise invalid(f"Please use fewer than {IMAGES_MAX} images in your request to models/{model.target or model.name}")
    look = _Look(Bound(model, request.get("generationConfig", {})), project, files, base_url)
    return {**request, "contents": [await look.at_content(content, i) for i, content in enumerate(contents)]}


def told(request: dict[str, Any]) -> str:
    """Tell of what the request refers to, for the emulator's own answers."""
    sentences = []
    if CACHE in request:
        cache = request[CACHE]
        sentences.append(f"{sum(cache['tokens'].values())} cached tokens of {cache['name']} were used.")
    parts = [part for content in request.get("contents", []) for part in content.get("parts", [])]
    media = [file["told"] for part in parts for file in files_of(part)]
    sentences += media[:MEDIA_TOLD_MAX]
    if len(media) > MEDIA_TOLD_MAX:
        sentences.append(f"There are {len(media) - MEDIA_TOLD_MAX} more media.")
    return " ".join(sentences)


def _with_cache(request: dict[str, Any], cache: Cache) -> dict[str, Any]:
    merged = {name: value for name, value in request.items() if name != "cachedContent"}
    merged |= {name: value for name, value in cache.request.items() if name != "contents"}
    merged["contents"] = [*cache.request.get("contents", []), *request.get("contents", [])]
    merged[CACHE] = {"name": cache.name, "tokens": cache.tokens}
    return merged


@dataclass(frozen=True, slots=True)
class _Look:
    """What the media of one request are looked up with."""

    bound: Bound
    project: str
    files: Files
    base_url: str

    async def at_content(self, content: dict[str, Any], number: int) -> dict[str, Any]:
        """Look at one content's parts."""
        if not _has_media(content):
            return content
        parts = [await self.at_part(part, f"contents[{number}].parts[{i}]") for i, part in enumerate(content["parts"])]
        return {**content, "parts": parts}

    async def at_part(self, part: dict[str, Any], where: str) -> dict[str, Any]:
        """Look at one part's media, and at those in the parts of a function's result."""
        inner = _inner_parts(part)
        if inner:
            if not self.bound.model.family.media_in_results:
                raise not_in_results()
            look = replace(self, bound=replace(self.bound, in_result=True))
            listed = [await look.at_part(item, f"{where}.function_response.parts[{i}]") for i, item in enumerate(inner)]
            return {**part, "functionResponse": {**part["functionResponse"], "parts": listed}}
        if "inlineData" in part:
            return {**part, FILE: await attached_inline(part, where, self.bound)}
        if "fileData" not in part:
            return part
        name = _file_name(part["fileData"].get("fileUri", ""), self.base_url)
        if not name:
            uri = str(part["fileData"].get("fileUri", ""))
            return part if uri.startswith("gs://") else {**part, FILE: attached_url(part, where, self.bound)}
        file = self.files.find(self.project, name)
        if file.state(self.files.clock.now()) != "ACTIVE":
            raise not_active(name)
        return {**part, FILE: await self._of_file(file, part, where)}

    async def _of_file(self, file: File, part: dict[str, Any], where: str) -> dict[str, Any]:
        kind = kind_of(file.mime_type)
        if kind is None:
            # Quoted in many public threads.
            raise invalid(f"Unsupported MIME type: {file.mime_type}")
        check_modality(kind, self.bound.model)
        try:
            facts = await self.files.facts(file, kind)
        except Broken:
            raise broken(kind, self.bound.model) from None
        about = {
            "name": f"files/{file.id}",
            "mimeType": file.mime_type,
            "sizeBytes": file.content.size,
            "displayName": file.display_name,
        }
        entry = attached_file(part, where, about, facts, self.bound)
        if kind == "image" and self.bound.model.draws:
            entry["bytes"] = await asyncio.to_thread(file.content.read, 0, file.content.size)
        return entry


def not_in_results() -> NativeError:
    """Quoted in google-gemini/gemini-cli#19436, of 2.5."""
    return invalid(
        "Unable to submit request because `function_response.parts` is not supported for this model. "
        "Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling"
    )


def _has_media(content: dict[str, Any]) -> bool:
    parts = content.get("parts", [])
    return any("fileData" in item or "inlineData" in item for part in parts for item in (part, *_inner_parts(part)))


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
