"""The schema: one function per migration, in order. Each only adds, so that the version before it can go on working.

During an upgrade two versions run on one database. A version works on every schema that is its own or newer, unless a newer
migration says that only newer programs may (`readable_from`); then it refuses to start and says so. All processes migrate at
start; a lock lets one do it and the others find it done.

Every table of owners' things has the owner in its key, and stands in `OWNED`.
"""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pollux.errors import StoreUnavailable
from pollux.store.database import Database, Transaction

OWNED = (
    "file",
    "segment",
    "gone_file",
    "upload",
    "part",
    "space",
    "garbage",
    "lease",
    "batch",
    "native_copy",
    "turn",
    "native_name",
    "video",
)
"""Tables with a column `owner`; erasing an owner goes through them."""


async def _files_and_uploads(transaction: Transaction) -> None:
    """Files, their bytes in order, uploads and their parts, and what an owner's bytes add up to.

    Times are microseconds since 1970. `garbage` names bytes that nothing refers to any more and that are to be removed.
    `gone_file` remembers where a removed file stood, so that a caller who pages and deletes can go on.
    """
    for statement in (
        (
            "CREATE TABLE file (owner TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL, filename TEXT NOT"
            " NULL, purpose TEXT NOT NULL, bytes BIGINT NOT NULL, mime_type TEXT NOT NULL, sha256 TEXT, expires_us BIGINT,"
            " PRIMARY KEY (owner, id))"
        ),
        "CREATE INDEX file_by_time ON file (owner, created_us, id)",
        "CREATE INDEX file_by_purpose ON file (owner, purpose, created_us, id)",
        "CREATE INDEX file_by_end ON file (expires_us)",
        (
            "CREATE TABLE segment (owner TEXT NOT NULL, file_id TEXT NOT NULL, position BIGINT NOT NULL, blob TEXT NOT"
            " NULL, bytes BIGINT NOT NULL, PRIMARY KEY (owner, file_id, position))"
        ),
        "CREATE INDEX segment_by_blob ON segment (blob)",
        (
            "CREATE TABLE gone_file (owner TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL, gone_us BIGINT"
            " NOT NULL, PRIMARY KEY (owner, id))"
        ),
        "CREATE INDEX gone_file_by_time ON gone_file (gone_us)",
        (
            "CREATE TABLE upload (owner TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL, expires_us BIGINT"
            " NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes BIGINT NOT NULL, mime_type TEXT NOT NULL,"
            " status TEXT NOT NULL, file_seconds BIGINT, received BIGINT NOT NULL, parts BIGINT NOT NULL, file_id TEXT,"
            " part_ids TEXT, PRIMARY KEY (owner, id))"
        ),
        "CREATE INDEX upload_by_end ON upload (expires_us)",
        (
            "CREATE TABLE part (owner TEXT NOT NULL, upload_id TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT"
            " NULL, blob TEXT NOT NULL, bytes BIGINT NOT NULL, PRIMARY KEY (owner, upload_id, id))"
        ),
        "CREATE INDEX part_by_blob ON part (blob)",
        "CREATE TABLE space (owner TEXT NOT NULL PRIMARY KEY, bytes BIGINT NOT NULL)",
        "CREATE TABLE garbage (blob TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, since_us BIGINT NOT NULL)",
        (
            "CREATE TABLE lease (owner TEXT NOT NULL, name TEXT NOT NULL, holder TEXT NOT NULL, until_us BIGINT NOT NULL,"
            " PRIMARY KEY (owner, name))"
        ),
        (
            "CREATE TABLE native_copy (owner TEXT NOT NULL, project TEXT NOT NULL, sha256 TEXT NOT NULL, mime_type TEXT"
            " NOT NULL, name TEXT NOT NULL, uri TEXT NOT NULL, expires_us BIGINT NOT NULL, PRIMARY KEY (owner, project,"
            " sha256, mime_type))"
        ),
        "CREATE TABLE about (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    ):
        await transaction.run(statement)


async def _turns(transaction: Transaction) -> None:
    """Remembered turns, for replicas that share a database. With SQLite they stand in a file of their own (`turns`)."""
    await transaction.run(
        "CREATE TABLE turn (owner TEXT NOT NULL, key TEXT NOT NULL, kept_us BIGINT NOT NULL, turn BYTEA NOT NULL,"
        " PRIMARY KEY (owner, key))"
    )
    await transaction.run("CREATE INDEX turn_by_age ON turn (kept_us)")


async def _names(transaction: Transaction) -> None:
    """Owners of native resources, for replicas that share a database. With SQLite they stand in a file (`names`)."""
    await transaction.run(
        "CREATE TABLE native_name (name TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, noted_us BIGINT NOT NULL)"
    )
    await transaction.run("CREATE INDEX native_name_by_owner ON native_name (owner)")
    await transaction.run("CREATE INDEX native_name_by_age ON native_name (noted_us)")


async def _batches(transaction: Transaction) -> None:
    """Batches. `state` is JSON that whoever has the lease (`holder`, `until_us`) writes, and only in its own `epoch`.

    `due_us` is when to look again, NULL when a batch has ended; `cancel_us` when its owner cancelled it.
    """
    await transaction.run(
        "CREATE TABLE batch (owner TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL, state BYTEA NOT NULL,"
        " due_us BIGINT, cancel_us BIGINT, epoch BIGINT NOT NULL, holder TEXT NOT NULL, until_us BIGINT NOT NULL,"
        " PRIMARY KEY (owner, id))"
    )
    await transaction.run("CREATE INDEX batch_by_time ON batch (owner, created_us, id)")
    await transaction.run("CREATE INDEX batch_by_due ON batch (due_us)")


async def _videos(transaction: Transaction) -> None:
    """Videos. `state` is JSON of the server's; `fingerprint` stands for what was asked, so that a repeated request is known.

    `until_us` is ahead while a process waits for the service's first word of it.
    """
    await transaction.run(
        "CREATE TABLE video (owner TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL, fingerprint TEXT NOT NULL,"
        " retried BIGINT NOT NULL, state BYTEA NOT NULL, until_us BIGINT NOT NULL, epoch BIGINT NOT NULL,"
        " PRIMARY KEY (owner, id))"
    )
    await transaction.run("CREATE INDEX video_by_time ON video (owner, created_us, id)")
    await transaction.run("CREATE INDEX video_by_fingerprint ON video (owner, fingerprint, created_us)")


class Migration(NamedTuple):
    """A step of the schema; after it, programs whose newest step is `readable_from` or later can still work."""

    number: int
    apply: Callable[[Transaction], Awaitable[None]]
    readable_from: int = 1


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, _files_and_uploads),
    Migration(2, _turns),
    Migration(3, _names),
    Migration(4, _batches),
    Migration(5, _videos),
)


async def migrate(database: Database, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the schema to this program's version, or find that it is there. Raises StoreUnavailable when it is too new."""
    newest = migrations[-1].number
    async with database.transaction() as transaction:
        await database.lock_schema(transaction)
        await transaction.run(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (number BIGINT NOT NULL PRIMARY KEY, readable_from BIGINT NOT NULL, applied_us BIGINT NOT NULL)"
        )
        row = await transaction.one("SELECT coalesce(max(number), 0), coalesce(max(readable_from), 0) FROM schema_version")
        assert row is not None
        at, readable_from = row
        if readable_from > newest:
            raise StoreUnavailable(
                f"The store's database was made by a newer Pollux (schema {at}); this one knows {newest}. Upgrade it.",
                should_retry=False,
            )
        for migration in migrations:
            if migration.number > at:
                await migration.apply(transaction)
                await transaction.run(
                    "INSERT INTO schema_version (number, readable_from, applied_us) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.readable_from,
                    int(time.time() * 1e6),
                )
