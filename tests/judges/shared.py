"""Where the shared reference material lies, and the recordings in it. It is beside the repository, or it is not there."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FIXTURES = SHARED / "fixtures"
REFERENCE = SHARED / "reference"

IS_HERE = FIXTURES.is_dir() and REFERENCE.is_dir()


@cache
def index(folder: str) -> tuple[dict[str, Any], ...]:
    """Give what the index of a folder of recordings says of each: file, kind, model, status, stream, tags."""
    lines = (FIXTURES / folder / "index.jsonl").read_bytes().splitlines()
    return tuple(msgspec.json.decode(line) for line in lines)


@cache
def recording(folder: str, file: str) -> dict[str, Any]:
    """Read one recording."""
    read: dict[str, Any] = msgspec.json.decode((FIXTURES / folder / file).read_bytes())
    return read


def needed() -> None:
    """Skip the calling module where the shared material is not beside the repository."""
    if not IS_HERE:
        pytest.skip("needs ../shared beside the repository (recorded traffic, the two documents)", allow_module_level=True)
