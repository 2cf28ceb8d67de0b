"""`pollux erase`: remove everything that is kept of one owner."""

import argparse
import asyncio
import re
import sqlite3
import sys

from pollux.cli.options import add_settings, settings_of
from pollux.errors import ApiError
from pollux.settings import Settings, SettingsError

EXAMPLES = """\
examples:
  pollux erase --key-name alice                         # everything of the Pollux key alice
  pollux erase 93cfa4b5 --config pollux.toml            # of a caller with a key of their own, as the access log names them

Files, uploads, batches, remembered turns and names of native resources go, rows and bytes. It may run beside the server, and
again. What the Gemini API has been given for an owner ends there by itself: files within 48 hours.
"""

PREFIX = re.compile(r"[0-9a-f]{8,31}")
"""How the access log shortens the owner id of a caller with a key of their own."""

NAMES = {
    "file": "files",
    "upload": "uploads",
    "part": "parts of uploads",
    "batch": "batches",
    "turn": "remembered turns",
    "native_copy": "notes of files at the Gemini API",
    "native_name": "names of native resources",
}
"""What of the erased is told; the rest are rows that belong to these."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare whose things, and the settings that say where they are."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "owner",
        metavar="OWNER",
        nargs="?",
        help="Owner id, or its beginning as the access log shows it (8 characters or more).",
    )
    whose.add_argument("--key-name", metavar="NAME", help="Name of a Pollux key: its things belong to this name.")
    add_settings(parser, only=("config",))


def run(given: argparse.Namespace) -> int:
    """Erase, and say what there was."""
    settings = settings_of(given)
    try:
        owner, erased = asyncio.run(_erase(settings, given.key_name or given.owner, exact=given.key_name is not None))
    except ApiError as error:
        print(f"pollux: {error.message} Nothing is lost by running this again.", file=sys.stderr)
        return 1
    counted = [f"{count} {NAMES[table]}" for table, count in erased.items() if table in NAMES and count]
    print(f"Erased of {owner}: {', '.join(counted) or 'nothing; there was nothing'}.")
    return 0


async def _erase(settings: Settings, named: str, *, exact: bool) -> tuple[str, dict[str, int]]:
    from pollux.store.names import SqliteOwnedNames
    from pollux.store.store import open_store
    from pollux.store.turns import SqliteTurnStore

    store = await open_store(settings.data_path, store_url=settings.store_url, bytes_url=settings.bytes_url)
    try:
        owner = named if exact or not PREFIX.fullmatch(named) else await _only_owner(await store.owners(named), named)
        erased = await store.erase(owner)
    finally:
        await store.close()
    try:
        if (file := settings.data_path / "turns.sqlite3").exists():
            turns = SqliteTurnStore(file, days=settings.memory_days, bytes_max=settings.memory_bytes_max)
            erased["turn"] = erased.get("turn", 0) + await turns.erase(owner)
            turns.close()
        if (file := settings.data_path / "names.sqlite3").exists():
            names = SqliteOwnedNames(file)
            await names.erase(owner)
            names.close()
    except (OSError, sqlite3.Error) as error:
        raise ApiError(f"The files in {settings.data_path} cannot be used: {error}.") from None
    return owner, erased


async def _only_owner(owners: list[str], named: str) -> str:
    if len(owners) > 1:
        raise SettingsError(f"More than one owner begins with {named}: {', '.join(owners)}. Name one of them whole.")
    return owners[0] if owners else named
