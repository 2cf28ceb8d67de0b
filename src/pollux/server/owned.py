"""Whose native things are whose, while all callers spend the server's key. CONTRACT, section 2.

To Google all callers are one project. So a caller may name only what they made through this server: everything else, whoever
made it and whether it exists or not, is answered here, in the words for an unknown name, and never asked of Google. With
callers' own keys Google keeps them apart, and none of this is used; nor is it where one person of this machine is the only
caller.
"""

import logging
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from pollux.errors import ApiError, InvalidRequest, NotFound, PermissionDenied, StoreUnavailable
from pollux.server.access import Caller
from pollux.server.native_paths import Target
from pollux.server.references import COLLECTIONS, item_name, made_by, names_in
from pollux.server.storing import Storing
from pollux.settings import Settings
from pollux.store.names import OwnedNames, SqliteOwnedNames

if TYPE_CHECKING:
    from pollux.store.shared_names import SharedNames

log = logging.getLogger("pollux.server")

NAMES_MAX = 5000
"""Resources that one request may name; the native API takes some 3,000 images, the database some 32,000 values."""

MAKING_VERBS = ("batch", "asyncBatch", "predictLongRunning")
"""Beginnings of a model's verbs that make something which stays; batchEmbedContents answers at once and makes nothing."""


class Owned:
    """Judges what callers name, and notes what they make."""

    def __init__(self, names: OwnedNames, host: str) -> None:
        self._names = names
        self._host = host

    async def check(self, caller: Caller, names: Iterable[str]) -> None:
        """Refuse names that are not the caller's. Raises PermissionDenied or NotFound, as for an unknown name."""
        wanted = sorted(set(names))
        if not wanted:
            return
        if len(wanted) > NAMES_MAX:
            raise InvalidRequest(f"The request names {len(wanted)} files and other resources; {NAMES_MAX} are allowed.")
        owners = await self._names.owner_of(wanted)
        for name in wanted:
            if owners.get(name) != caller.owner:
                raise unknown(name)

    async def check_body(self, caller: Caller, body: Any) -> None:
        """Refuse a request's JSON that uses what is not the caller's. Raises like `check`."""
        await self.check(caller, names_in(body, host=self._host, strict=True))

    async def check_sent(self, caller: Caller, body: bytes) -> None:
        """Refuse a native request of ours that uses what is not the caller's. Raises like `check`."""
        if any(mark in body for mark in _MARKS):
            await self.check_body(caller, msgspec.json.decode(body))

    async def note(self, caller: Caller, target: Target, method: str, answer: Any) -> None:
        """Note what an answer says was made; returns when it is kept. Raises ApiError when it cannot be."""
        if method == "POST" and (not target.name or target.way):
            await self._kept(caller.owner, made_by(answer, target.collection), made=True)
        found = names_in(answer, host=self._host)
        known = await self._names.owner_of(found)
        await self._kept(caller.owner, sorted(found - known.keys()), made=False)

    async def add(self, owner: str, names: Iterable[str]) -> None:
        """Note what the server itself has made for an owner. Raises ApiError when it cannot be kept."""
        await self._kept(owner, names, made=True)

    async def forget(self, caller: Caller, name: str) -> None:
        """Forget what the caller has deleted."""
        try:
            await self._names.remove(caller.owner, name)
        except OSError:
            log.exception("A name could not be forgotten")  # it names nothing any more: the upstream says so

    async def only_own(self, caller: Caller, collection: str, answer: dict[str, Any]) -> int:
        """Leave only lists, and in them only the caller's items, in a page, in place; give how many items there are."""
        left = 0
        for key, items in list(answer.items()):
            if not isinstance(items, list):
                del answer[key]
                continue
            named = [(item_name(item, collection), item) for item in items]
            owners = await self._names.owner_of(name for name, _ in named if name)
            answer[key] = [item for name, item in named if owners.get(name) == caller.owner]
            left += len(answer[key])
        return left

    async def _kept(self, owner: str, names: Iterable[str], *, made: bool) -> None:
        try:
            await self._names.add(owner, names, made=made)
        except OSError:
            log.exception("A name could not be noted")
            raise StoreUnavailable(
                "The server cannot note whose the new resource is, so it does not give it out. Try again later."
            ) from None

    def close(self) -> None:
        """Close the store of names."""
        self._names.close()


_MARKS = (b"%", *(f"{collection}/".encode() for collection in COLLECTIONS))
"""What must stand in JSON of ours that names a resource; most requests hold none of it and are not looked into."""


def is_judged(target: Target, method: str) -> bool:
    """Say whether a path is one whose owners are known here; others, as those of tomorrow's API, go nowhere.

    Not known either, on purpose: `auth_tokens`, which would give out tokens of the server's own project.
    """
    if target.collection != "models":
        return target.collection in COLLECTIONS
    parts = target.rest.split("/")
    return len(parts) <= 2 or (parts[2] == "operations" and (len(parts) > 3 or method == "GET"))


def makes(target: Target) -> bool:
    """Say whether a request to a path of the models makes something that stays."""
    return target.verb.startswith(MAKING_VERBS) and target.verb != "batchEmbedContents"


def unknown(name: str) -> ApiError:
    """Make the answer for a name that nobody knows, in the native API's words.

    Source: recorded (files); public reports (caches); the answer to a missing resource (others).
    """
    collection, _, rest = name.partition("/")
    match collection:
        case "files":
            return PermissionDenied(f"You do not have permission to access the File {rest} or it may not exist.")
        case "cachedContents":
            return PermissionDenied("CachedContent not found (or permission denied)")
    return NotFound("Requested entity was not found.")


class StoredNames:
    """Names in the database that the replicas share."""

    def __init__(self, storing: Storing) -> None:
        self._storing = storing

    async def add(self, owner: str, names: Iterable[str], *, made: bool = True) -> None:
        """Note names; returns when they are kept. Raises OSError when they cannot be kept."""
        await (await self._opened()).add(owner, names, made=made)

    async def remove(self, owner: str, name: str) -> None:
        """Forget a name that its owner has deleted, and all below it. Raises OSError when that fails."""
        await (await self._opened()).remove(owner, name)

    async def erase(self, owner: str) -> None:
        """Forget all names of an owner."""
        await (await self._opened()).erase(owner)

    async def owner_of(self, names: Iterable[str]) -> dict[str, str]:
        """Give the owners of those names that have one. Raises StoreUnavailable."""
        return await (await self._storing.names()).owner_of(names)

    def close(self) -> None:
        """Nothing to do: the store closes itself."""

    async def _opened(self) -> "SharedNames":
        try:
            return await self._storing.names()
        except ApiError as error:
            raise OSError(error.message) from error


def open_owned(settings: Settings, host: str, storing: Storing) -> Owned | None:
    """Open the store of names where callers share the server's key; None elsewhere.

    Where the data folder cannot be written, names are kept in this process alone, with a warning.
    """
    if not settings.spends_server_key or settings.local_only:
        return None
    if settings.store_url:
        return Owned(StoredNames(storing), host)
    try:
        return Owned(SqliteOwnedNames(settings.data_path / "names.sqlite3"), host)
    except (OSError, sqlite3.Error) as error:
        log.warning("The folder %s cannot be used (%s): owners of files are kept in memory only.", settings.data_path, error)
        return Owned(SqliteOwnedNames(None), host)
