"""The grammar of native paths: which are native, and what a path asks for.

A path is taken apart once, percent-decoded; it is sent on as the parts say, encoded anew. What has dot segments, encoded
percent signs or control characters is no path of the Gemini API and goes nowhere.

Source: CONTRACT, section 1; Gemini API, method table.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from pollux.errors import NotFound
from pollux.server.exchange import Exchange
from pollux.server.references import COLLECTIONS

PREFIXES = ("/v1beta/", "/v1alpha/", "/upload/", "/download/")
OPENAI_BELOW = ("/v1beta/openai", "/v1beta/chat/completions")

BOTH = frozenset({"models", "voices", *COLLECTIONS})
"""Collections under /v1 for which the way in which the caller authenticates says which protocol is meant."""

_PATH = re.compile(r"/(?:(upload|download)/)?(v1|v1beta|v1alpha)/(.+)")
_ODD = re.compile(r"[\x00-\x20\x7f%\\?#]")
_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Target:
    """What a native path asks for."""

    way: Literal["", "upload", "download"]
    version: str
    rest: str
    """The path after the version, without a verb: `files/abc`, `models/x/operations/y`, `cachedContents`."""
    verb: str
    """What follows the last colon: `generateContent`, `download`; or nothing."""

    @property
    def path(self) -> str:
        """The path to send."""
        way = f"/{self.way}" if self.way else ""
        return f"{way}/{self.version}/{self.rest}" + (f":{self.verb}" if self.verb else "")

    @property
    def collection(self) -> str:
        """The first part: `files`, `models`."""
        return self.rest.partition("/")[0]

    @property
    def name(self) -> str:
        """The owned resource that the path names or lies below; nothing for collections and for models, who are shared."""
        parts = self.rest.split("/")
        if len(parts) == 1:
            return ""
        if parts[0] == "models":
            return "/".join(parts[:4]) if len(parts) > 3 else ""
        return "/".join(parts[:2])

    @property
    def whole(self) -> bool:
        """Whether the path names the owned resource itself and asks nothing special of it."""
        return not self.verb and self.rest == self.name

    @property
    def of_everyone(self) -> bool:
        """Whether the path is of the models themselves, which belong to all."""
        return not self.way and self.collection == "models" and self.rest.count("/") <= 1

    @property
    def model(self) -> str:
        """The model, for the log."""
        parts = self.rest.split("/")
        return parts[1] if parts[0] == "models" and len(parts) > 1 else ""


def is_native(exchange: Exchange, path: str) -> bool:
    """Say whether a request speaks the native protocol."""
    if path.startswith(PREFIXES):
        return not path.startswith(OPENAI_BELOW)
    if not path.startswith("/v1/"):
        return False
    first = path[4:].partition("/")[0].partition(":")[0]
    if first == "models" and ":" in path:
        return True
    return first in BOTH and b"authorization" not in exchange.headers and has_native_key(exchange)


def speaks_natively(exchange: Exchange) -> bool:
    """Say whether a request, as it came, speaks the native protocol: in whose form an error is told."""
    return is_native(exchange, plain(exchange.path))


def plain(path: str) -> str:
    """Take doubled and trailing slashes out of a path."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def has_native_key(exchange: Exchange) -> bool:
    """Say whether a request brings a key in Google's way."""
    return b"x-goog-api-key" in exchange.headers or b"&key=" in b"&" + exchange.query


def target(path: str) -> Target:
    """Take a path apart. Raises NotFound for what is none of the native API's."""
    found = _PATH.fullmatch(path)
    if found is None or _ODD.search(path) or any(part in {".", ".."} for part in path.split("/")):
        raise NotFound(f"There is nothing at {path[:200]!r}.")
    way, version, rest = found.groups()
    head, _, last = rest.rpartition("/")
    last, _, verb = last.partition(":")
    rest = f"{head}/{last}" if head else last
    rest = rest.replace("models/models/", "models/", 1) if rest.startswith("models/models/") else rest
    if not last or ":" in head or ":" in verb:
        raise NotFound(f"There is nothing at {path[:200]!r}.")
    return Target("upload" if way == "upload" else "download" if way == "download" else "", version, rest, verb)


def parameters(query: bytes, name: str) -> list[str]:
    """Give all values of a query's parameter."""
    return parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, [])
