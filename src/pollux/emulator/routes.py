"""Which path is which method of the native API, and which query parameters it takes."""

import re
from dataclasses import dataclass

from pollux.emulator import errors
from pollux.emulator.errors import NativeError, bad_request

VERSION = r"/(?P<version>v1|v1beta|v1alpha)"
MODELS = re.compile(VERSION + r"/models/?")
MODEL = re.compile(VERSION + r"/models/(?P<model>[^/:]+)")
VERB = re.compile(VERSION + r"/models/(?P<model>[^/:]+):(?P<verb>[A-Za-z]+)")
OTHER = re.compile(r"/(?:resumable/)?(?:upload/|download/)?(?:v1|v1beta|v1alpha)/(?P<collection>[A-Za-z_]+)")
OPERATION = re.compile(VERSION + r"/models/(?P<model>[^/:]+)/operations/(?P<id>[^/:]+)")
OPERATIONS = re.compile(VERSION + r"/models/[^/:]+/operations.*")

INTERACTION_ID = r"/interactions/(?P<id>[^/:]+)"

FILE_ID, CACHE_ID = r"/files/(?P<id>[^/:]+)", r"/cachedContents/(?P<id>[^/:]+)"
BATCH_ID = r"/batches/(?P<id>[^/:]+)"

UPLOADS = ("/upload/", "/resumable/upload/")

RESOURCES = tuple(
    (http_method, re.compile(before + VERSION + path), method)
    for http_method, before, path, method in (
        ("POST", "(?:/resumable)?/upload", "/files/?", "media.upload"),
        ("PUT", "(?:/resumable)?/upload", "/files/?", "media.upload"),
        ("GET", "/download", FILE_ID + ":download", "media.download"),
        ("GET", "", FILE_ID + ":download", "files.download"),
        ("POST", "", "/files:register", "files.register"),
        ("GET", "", "/files/?", "files.list"),
        ("GET", "", FILE_ID, "files.get"),
        ("DELETE", "", FILE_ID, "files.delete"),
        ("GET", "", "/cachedContents/?", "cachedContents.list"),
        ("POST", "", "/cachedContents/?", "cachedContents.create"),
        ("GET", "", CACHE_ID, "cachedContents.get"),
        ("PATCH", "", CACHE_ID, "cachedContents.patch"),
        ("DELETE", "", CACHE_ID, "cachedContents.delete"),
        ("POST", "", "/interactions/?", "interactions.create"),
        ("GET", "", INTERACTION_ID, "interactions.get"),
        ("DELETE", "", INTERACTION_ID, "interactions.delete"),
        ("POST", "", INTERACTION_ID + "/cancel", "interactions.cancel"),
        ("GET", "", "/batches/?", "batches.list"),
        ("GET", "", BATCH_ID, "batches.get"),
        ("DELETE", "", BATCH_ID, "batches.delete"),
        ("POST", "", BATCH_ID + ":cancel", "batches.cancel"),
    )
)
"""Methods of files, cached contents and batches. The steps of an upload share a path: `uploads.step` tells them apart."""

VERBS = (
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "predict",
    "embedContent",
    "batchEmbedContents",
    "batchGenerateContent",
    "asyncBatchEmbedContent",
    "predictLongRunning",
)

VERBS_NOT_YET = {
    "countTextTokens": "countTextTokens",
    "generateAnswer": "generateAnswer",
}
"""Methods of models that later issues bring; with their names for people."""

COLLECTIONS_NOT_YET = (
    "files", "fileSearchStores", "tunedModels", "corpora", "generatedFiles",
    "auth_tokens", "webhooks", "agents", "environments", "triggers", "credentials", "voices", "decisions", "dynamic",
)  # fmt: skip
"""Collections of the native API that later issues bring, or none."""

QUERY = {
    "key", "alt", "$alt", "fields", "$fields", "prettyPrint", "$prettyPrint", "callback", "$callback", "access_token",
    "oauth_token", "quotaUser", "uploadType", "upload_protocol", "$.xgafv",
}  # fmt: skip
"""Query parameters that every method takes. Source: the discovery document, `parameters`."""

PAGES = {"pageSize", "pageToken", "page_size", "page_token"}

QUERY_OF = {
    "models.list": PAGES,
    "files.list": PAGES,
    "cachedContents.list": PAGES,
    "batches.list": PAGES | {"filter", "returnPartialSuccess", "return_partial_success"},
    "cachedContents.patch": {"updateMask", "update_mask"},
    "media.upload": {"upload_id"},
    "interactions.get": {"include_input", "stream", "last_event_id"},
}
"""Query parameters of single methods."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method of the native API, as found in a request line."""

    method: str
    version: str
    model: str = ""
    id: str = ""
    """Of a file or a cached content."""


def route(http_method: str, path: str) -> Route:
    """Find the method, or raise what the service, or this emulator, answers instead."""
    if http_method == "GET" and (found := MODELS.fullmatch(path)):
        return Route("models.list", found["version"])
    if http_method == "GET" and (found := MODEL.fullmatch(path)):
        return Route("models.get", found["version"], found["model"])
    if http_method == "POST" and (found := VERB.fullmatch(path)):
        if found["verb"] in VERBS:
            return Route(found["verb"], found["version"], found["model"])
        if found["verb"] in VERBS_NOT_YET:
            raise errors.not_emulated(f"{VERBS_NOT_YET[found['verb']]} ({found['verb']})")
        raise errors.unknown_route()
    for needed, pattern, method in RESOURCES:
        if http_method == needed and (found := pattern.fullmatch(path)):
            return Route(method, found["version"], id=found.groupdict().get("id") or "")
    if http_method == "GET" and (found := OPERATION.fullmatch(path)):
        return Route("operations.get", found["version"], found["model"], found["id"])
    if OPERATIONS.fullmatch(path):
        raise errors.not_emulated("lists and ends of operations")
    if (found := OTHER.match(path)) and found["collection"] in COLLECTIONS_NOT_YET:
        raise errors.not_emulated(found["collection"])
    raise errors.unknown_route()


def check_query(method: str, query: dict[str, str]) -> None:
    """Refuse query parameters that the method does not know."""
    method = "media.upload" if method.startswith("media.upload") else method
    unknown = [name for name in query if name not in QUERY and name not in QUERY_OF.get(method, ())]
    if unknown:
        raise bad_request([("", _cannot_bind(name)) for name in unknown])


def page_size(query: dict[str, str], default: int, size_max: int) -> int:
    """Read `pageSize`; larger than the maximum means the maximum, 0 the default."""
    text = query.get("pageSize", query.get("page_size", ""))
    if not text:
        return default
    try:
        size = int(text)
    except ValueError:
        raise bad_request([("page_size", f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")]) from None
    if size < 0:
        raise _negative()
    return min(size, size_max) or default


def page_token(query: dict[str, str]) -> str:
    """Read `pageToken`."""
    return query.get("pageToken", "") or query.get("page_token", "")


def _negative() -> NativeError:
    return errors.invalid("page_size must not be negative.")


def _cannot_bind(name: str) -> str:
    return (
        f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
        f"Field '{name}' could not be found in request message."
    )
