"""The memory of earlier turns: which keys to ask the store for, and when a turn is kept.

A turn with calls is kept before the ids of its calls are sent. Everything else of it is kept at the end, in passing.
"""

import logging
import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

from pollux.errors import ApiError
from pollux.server.storing import Storing
from pollux.settings import Settings
from pollux.store.turns import SqliteTurnStore, TurnStore
from pollux.translate.chat_answer import ChatTelling
from pollux.translate.memory import Trail, Turn, TurnRecorder, call_key, decode_turn, encode_turn
from pollux.wire.gemini.generate import Part

log = logging.getLogger("pollux.server")


class Memory:
    """Remembers turns for their owners."""

    def __init__(self, store: TurnStore) -> None:
        self._store = store

    async def recall(self, owner: str, trail: Trail | None) -> dict[str, Turn]:
        """Give what is remembered of a conversation."""
        if trail is None or not trail.keys:
            return {}
        turns: dict[str, Turn] = {}
        for key, encoded in (await self._store.get(owner, trail.wanted())).items():
            try:
                turns[key] = decode_turn(encoded)
            except msgspec.DecodeError:
                log.warning("A remembered turn cannot be read; it was kept by another version.")
        return turns

    async def keep(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns; returns when they are kept."""
        await self._store.put(owner, turns)

    def keep_soon(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns within a moment."""
        self._store.put_soon(owner, turns)

    def close(self) -> None:
        """Write what is not written yet."""
        self._store.close()


class Keeper:
    """Keeps the turns of one answer. `trail` is None for families without signatures: then there is nothing to keep."""

    __slots__ = ("_family", "_kept", "_memory", "_owner", "_token", "_trail")

    def __init__(self, memory: Memory, owner: str, family: str, token: str, trail: Trail | None) -> None:
        self._memory = memory
        self._owner = owner
        self._family = family
        self._token = token
        self._trail = trail
        self._kept: dict[str, bytes] = {}

    async def keep_calls(self, recorders: list[TurnRecorder], telling: ChatTelling) -> None:
        """Keep the turns so far under their calls' key; to be awaited before the calls' ids are sent."""
        if self._trail is None:
            return
        kept = {
            call_key(self._token, candidate): turn
            for recorder in recorders
            for candidate, turn in recorder.turns(self._family).items()
            if candidate in telling.tellings and telling.tellings[candidate].calls
        }
        if kept:
            await self._memory.keep(self._owner, kept)
            self._kept = kept

    async def keep_answer(self, recorders: list[TurnRecorder], telling: ChatTelling) -> None:
        """Keep the whole turns, under the trail's key and, where there are calls, under theirs too.

        With calls it is to be awaited before the answer ends: the next request may reach another worker at once, and where a
        framework replaced the ids only the trail's key finds the turn.
        """
        await self._keep_sound(telling)
        if self._trail is None:
            return
        kept: dict[str, bytes] = {}
        for recorder in recorders:
            for candidate, turn in recorder.turns(self._family).items():
                told = telling.tellings.get(candidate)
                if told is not None:
                    kept[self._trail.answer_key(told.text, told.calls)] = turn
                    key = call_key(self._token, candidate)
                    if told.media.picture_key is not None:
                        kept[told.media.picture_key] = turn
                    if told.calls and self._kept.get(key) != turn:
                        kept[key] = turn
        if not kept:
            return
        if any(told.calls for told in telling.tellings.values()):
            await self._memory.keep(self._owner, kept)
        else:
            self._memory.keep_soon(self._owner, kept)

    async def _keep_sound(self, telling: ChatTelling) -> None:
        """Keep what sounds say, under their ids, before the answer ends: the next request may name them at once."""
        kept = {
            told.media.audio_id: encode_turn(Turn(self._family, [Part(text=told.media.transcript)]))
            for told in telling.tellings.values()
            if told.media.has_sound
        }
        if kept:
            await self._memory.keep(self._owner, kept)


class StoredTurns:
    """Turns in the database that the replicas share, once it is open; chat does not fail for it."""

    def __init__(self, storing: Storing) -> None:
        self._storing = storing

    async def get(self, owner: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Give what is kept of an owner under these keys."""
        try:
            return await (await self._storing.turns()).get(owner, keys)
        except ApiError as error:
            log.warning("Remembered turns cannot be read: %s", error.message)
            return {}

    async def put(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns; returns when they are kept."""
        try:
            await (await self._storing.turns()).put(owner, turns)
        except ApiError as error:
            log.warning("Thought signatures could not be kept: %s", error.message)

    def put_soon(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns within a moment. What nobody asked for before, and no store is open for, is not kept."""
        opened = self._storing.opened_turns
        if opened is not None:
            opened.put_soon(owner, turns)

    def close(self) -> None:
        """Nothing to do: the store writes what is gathered when it closes."""


def open_memory(settings: Settings, storing: Storing) -> Memory:
    """Open the memory in the data folder, or in the database that replicas share.

    Where the folder cannot be written, it is in this process alone, with a warning.
    """
    if settings.store_url:
        return Memory(StoredTurns(storing))
    days, bytes_max = settings.memory_days, settings.memory_bytes_max
    try:
        return Memory(SqliteTurnStore(settings.data_path / "turns.sqlite3", days=days, bytes_max=bytes_max))
    except (OSError, sqlite3.Error) as error:
        log.warning("The folder %s cannot be used (%s): thought signatures are kept in memory only.", settings.data_path, error)
        return Memory(SqliteTurnStore(None, days=days, bytes_max=bytes_max))
