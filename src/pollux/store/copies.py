"""Copies of owners' files at the service that reads them: where each is, and until when.

A copy belongs to an owner, a project (the service keeps a project's files apart), a content (SHA-256) and a media type.
"""

from dataclasses import dataclass

from pollux.store.clock import Clock
from pollux.store.database import Database


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy: the service's name of it, the URI by which requests refer to it, and its end in microseconds since 1970."""

    name: str
    uri: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class CopyKey:
    """What a copy is of."""

    owner: str
    project: str
    sha256: str
    mime_type: str


class Copies:
    """Remembers copies."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, key: CopyKey, *, lasting_seconds: float) -> Copy | None:
        """Give a copy that lasts for so long still, or None."""
        row = await self._database.one(
            "SELECT name, uri, expires_us FROM native_copy"
            " WHERE owner = $1 AND project = $2 AND sha256 = $3 AND mime_type = $4 AND expires_us > $5",
            key.owner,
            key.project,
            key.sha256,
            key.mime_type,
            self._clock.now_us() + int(lasting_seconds * 1e6),
        )
        return Copy(*row) if row else None

    async def put(self, key: CopyKey, copy: Copy) -> None:
        """Remember a copy in place of the one before it."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO native_copy (owner, project, sha256, mime_type, name, uri, expires_us)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (owner, project, sha256, mime_type)"
                " DO UPDATE SET name = $5, uri = $6, expires_us = $7",
                key.owner,
                key.project,
                key.sha256,
                key.mime_type,
                copy.name,
                copy.uri,
                copy.expires_us,
            )

    async def forget(self, owner: str, uri: str) -> None:
        """Forget a copy that the service does not know any more."""
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM native_copy WHERE owner = $1 AND uri = $2", owner, uri)
