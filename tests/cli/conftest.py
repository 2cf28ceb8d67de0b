"""What the tests of the command line share: an environment of its own, and a running server."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from pollux.settings import Settings
from tests.serving import running


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's shell: no keys, settings or proxies, and a home of its own."""
    for name in os.environ:
        if name.upper().startswith(("POLLUX_", "GEMINI_", "OPENAI_", "XDG_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorServer]:
    """The emulator, with scripted answers."""
    script: list[dict[str, Any]] = [
        {"match": {"text": "in colour"}, "say": {"events": ["\x1b[31mred", " and plain"]}},
        {"match": {"text": "break off"}, "say": {"events": ["half an", " answer"], "fault": "cut-after=1"}},
        {"match": {"text": "be long"}, "say": {"text": "cut short", "finish": "MAX_TOKENS"}},
        {"match": {"text": "be busy"}, "say": {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}},
    ]
    with EmulatorServer(Emulator(script=script)) as server:
        yield server


@pytest.fixture(scope="session")
def base_url(emulator: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server whose answers come from the emulator."""
    folder = str(tmp_path_factory.mktemp("data"))
    with running(Settings(upstream="emulator", upstream_url=emulator.url, data_dir=folder, access_log=False)) as url:
        yield f"{url}/v1"
