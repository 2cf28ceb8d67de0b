"""The resources of `cachedContents`: a beginning of conversations that is kept for a while and never shown again.

Recorded: the answers to create, get and delete, and the usage of a request with a cache. Quoted from live answers, in a
public probe note of 2026-09-07 (index file 67436732638) and the threads named below: the refusals, the default of one
hour, the empty list, and that a missing, expired or foreign cache is a 403, never a 404.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pollux.emulator import errors, refusals
from pollux.emulator.clock import Clock, stamp
from pollux.emulator.errors import NativeError, bad_request, invalid
from pollux.emulator.files import fine_stamp, opaque_id
from pollux.emulator.models import RETIRED, Model, known
from pollux.emulator.shelves import Shelves
from pollux.emulator.tokens import count_prompt, modalities

DEFAULT_LIFETIME = timedelta(hours=1)

LIFETIME_MAX = timedelta(days=3650)
"""The emulator's own limit: no calendar ends before it."""

DISPLAY_NAME_CHARS_MAX = 128
"""Source: the discovery document, CachedContent."""

TOKENS_MIN = {"2.5-flash": 1024, "2.5-flash-lite": 2048, "3.1-flash-lite": 2048, "3.5-flash-lite": 1024}
"""The least size by family, as live refusals told it: https://github.com/BerriAI/litellm/issues/17696 (2.5 Flash, 2025-12),
https://github.com/spinje/pflow/pull/433 (Flash-Lite, 2026-05), the probe note of 2026-09-07 (3.5 Flash-Lite)."""

TOKENS_MIN_ELSE = 4096
"""Source: gemini-native.md, section 21 (Pro and 3.x)."""

PARTS = ("contents", "systemInstruction", "tools", "toolConfig")
"""What a cache holds, and a request that uses it may not have (but contents)."""


@dataclass
class Cache:
    """One cached content of one project."""

    id: str
    model: Model
    display_name: str
    request: dict[str, Any]
    """Contents, system instruction, tools and their settings, as the beginning of a request."""
    tokens: dict[str, int]
    """By modality."""
    created: datetime
    updated: datetime
    expires: datetime
    expires_text: str

    @property
    def name(self) -> str:
        """The resource's name."""
        return f"cachedContents/{self.id}"

    def resource(self) -> dict[str, Any]:
        """Make the CachedContent object, keys in the recorded order; an empty display name is told."""
        return {
            "name": self.name,
            "model": f"models/{self.model.name}",
            "createTime": stamp(self.created),
            "updateTime": stamp(self.updated),
            "expireTime": self.expires_text,
            "displayName": self.display_name,
            "usageMetadata": {"totalTokenCount": sum(self.tokens.values())},
        }


@dataclass
class Caches:
    """All cached contents of one emulator."""

    clock: Clock
    seed: int = 0
    _shelves: Shelves[Cache] = field(default_factory=lambda: Shelves(lambda _project, _cache: None))
    _count: int = 0

    def create(self, project: str, given: dict[str, Any], version: str) -> Cache:
        """Keep a new one, or refuse as the service does. Files in its contents have been looked up."""
        model = model_of(given, version)
        request = {name: given[name] for name in PARTS if name in given}
        if len(str(given.get("displayName", ""))) > DISPLAY_NAME_CHARS_MAX:
            # No wording is known: the emulator's own.
            where = "CreateCachedContentRequest.cached_content.display_name"
            raise invalid(f"* {where}: Display name cannot be more than {DISPLAY_NAME_CHARS_MAX} characters.\n")
        if request.get("contents"):
            refusals.check_contents(request["contents"], "CreateCachedContentRequest")
        refusals.check_countable({name: request[name] for name in ("contents", "systemInstruction") if name in request})
        _check_size(count_prompt(request), model)
        now = self.clock.now()
        self._count += 1
        name = opaque_id(f"cache {self.seed} {self._count}", 40)
        expires, text = _expiry(given, now, name) or _in(DEFAULT_LIFETIME, now, name)
        display_name = str(given.get("displayName", ""))
        cache = Cache(name, model, display_name, request, modalities(request), now, now, expires, text)
        self._shelves.put(project, cache)
        return cache

    def find(self, project: str, name: str) -> Cache:
        """Find one of this project, or refuse: missing, expired and foreign ones are told in the same words."""
        self.sweep()
        cache = self._shelves.find(project, name)
        if cache is None:
            raise not_found()
        return cache

    def change(self, project: str, name: str, given: dict[str, Any], mask: str) -> Cache:
        """Change when one expires; nothing else of it can be changed."""
        cache = self.find(project, name)
        masked = {part.strip().replace("expire_time", "expireTime") for part in mask.split(",") if part.strip()}
        fixed = sorted((masked or set(given)) - {"ttl", "expireTime", "name"})
        if fixed:
            # No wording is known: the emulator's own.
            raise invalid(f"Only ttl and expire_time of a cached content can be updated, not {', '.join(fixed)}.")
        kept: dict[str, Any] = {
            key: given[key] for key in ("ttl", "expireTime") if key in given and (not masked or key in masked)
        }
        now = self.clock.now()
        expiry = _expiry(kept, now, name)
        if expiry is None:
            raise invalid("Either ttl or expire_time of a cached content has to be given.")
        cache.expires, cache.expires_text = expiry
        cache.updated = now
        self._shelves.watch(project, cache)
        return cache

    def remove(self, project: str, name: str) -> None:
        """Delete one; the second time it is no longer there."""
        self.find(project, name)
        self._shelves.remove(project, name)

    def page(self, project: str, size: int, token: str) -> tuple[list[Cache], str]:
        """List a page of a project's, newest first."""
        self.sweep()
        return self._shelves.page(project, size, token)

    def sweep(self) -> None:
        """Delete what has expired."""
        self._shelves.sweep(self.clock.now())

    def clear(self) -> None:
        """Delete everything."""
        self._shelves.clear()
        self._count = 0


def not_found() -> NativeError:
    """Quoted in the probe note and many other places, for `generateContent` and `GET` alike."""
    return NativeError(403, "CachedContent not found (or permission denied)")


def not_beside() -> NativeError:
    """Quoted in the probe note and in vercel/ai#3333: all three are named, whichever was sent."""
    return invalid(
        "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n"
        "Proposed fix: move those values to CachedContent from GenerateContent request."
    )


def other_model(asked: str, cached: str) -> NativeError:
    """Quoted from live answers of 2026. Vertex has other words ("Cached content model does not match …")."""
    return invalid(
        f"Model used by GenerateContent request (models/{asked}) and CachedContent (models/{cached}) has to be the same."
    )


def model_of(given: dict[str, Any], version: str) -> Model:
    """Find the model of a new cache, or refuse it."""
    name = str(given.get("model", "")).removeprefix("models/")
    if not name:
        # AFTER countTokens.
        raise invalid("* CreateCachedContentRequest.cached_content.model: model is not specified\n")
    model = known(name, version)
    if model is None and name in RETIRED:
        raise errors.retired_model(name, RETIRED[name])
    if model is None or "createCachedContent" not in model.methods:
        raise errors.unknown_model(name, version, "createCachedContent")
    return model


def _check_size(tokens: int, model: Model) -> None:
    least = TOKENS_MIN.get(model.family_name, TOKENS_MIN_ELSE)
    if tokens < least:
        # Quoted in the probe note and in the threads of TOKENS_MIN.
        raise invalid(f"Cached content is too small. total_token_count={tokens}, min_total_token_count={least}")
    if tokens > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)


def _expiry(given: dict[str, Any], now: datetime, name: str) -> tuple[datetime, str] | None:
    """Read when it is to expire, and how that is told: a time as it was given, a duration with nine digits (recorded)."""
    if "ttl" in given and "expireTime" in given:
        raise bad_request([("", "Invalid value (oneof), oneof field 'expiration' is already set. Cannot set 'ttl'")])
    if "ttl" in given:
        return _in(timedelta(seconds=float(str(given["ttl"])[:-1])), now, name)
    if "expireTime" not in given:
        return None
    try:
        expires = datetime.fromisoformat(str(given["expireTime"])[:19] + "+00:00") + _rest(str(given["expireTime"])[19:])
    except (ValueError, OverflowError):
        raise bad_request([("expire_time", "Invalid value at 'expire_time' (google.protobuf.Timestamp)")]) from None
    _check_later(expires, now)
    return expires, stamp(expires)


def _rest(text: str) -> timedelta:
    """Read fractions of a second and the zone of a time; the canonical form has been checked."""
    zone = next((i for i, sign in enumerate(text) if sign in "Zz+-"), len(text))
    fraction = timedelta(seconds=float("0" + text[:zone]) if zone else 0)
    if text[zone : zone + 1] not in ("+", "-"):
        return fraction
    hours, minutes = text[zone + 1 :].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return fraction - offset if text[zone] == "+" else fraction + offset


def _in(lifetime: timedelta, now: datetime, name: str) -> tuple[datetime, str]:
    if lifetime > LIFETIME_MAX:
        raise invalid(f"ttl is at most {LIFETIME_MAX.days} days in this emulator.")
    _check_later(now + lifetime, now)
    return now + lifetime, fine_stamp(now + lifetime, name)


def _check_later(expires: datetime, now: datetime) -> None:
    if expires.astimezone(UTC) <= now:
        # No wording is known: the emulator's own.
        raise invalid("The expiration time of a cached content has to be in the future.")
