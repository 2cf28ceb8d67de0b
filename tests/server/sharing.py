"""Two callers and the two key modes, before one upstream."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google import genai
from google.genai import types

from tests.server.asking import Pollux, pollux
from tests.server.fake import FakeUpstream

ALICE, BOB = "AIza-alice-0123456789-abcdefghijkl", "AIza-bob-9876543210-zyxwvutsrqpo"
SERVERS_KEY = "AIza-the-servers-own-0123456789-key"
CALLERS_KEYS, SERVERS, EMULATED = "callers' keys", "server's key", "emulated"
MODES = [CALLERS_KEYS, SERVERS]


@contextmanager
def mode(name: str, upstream: FakeUpstream | str, folder: Path, **settings: Any) -> Iterator[Pollux]:
    """Run the server in a key mode. Alice and Bob may call; with the server's key their keys are Pollux keys.

    `EMULATED` is the mode in which the upstream is known to be an emulator, which gets no caller's key.
    """
    settings = {"data_dir": str(folder), **settings}
    if name == SERVERS:
        keys = {one: "sha256:" + hashlib.sha256(key.encode()).hexdigest() for one, key in (("alice", ALICE), ("bob", BOB))}
        settings |= {"gemini_api_key": SERVERS_KEY, "keys": keys}
    if name == EMULATED:
        settings |= {"upstream": "emulator"}
    with pollux(upstream, **settings) as server:
        yield server


@contextmanager
def client(server: Pollux, key: str, version: str | None = None) -> Iterator[genai.Client]:
    """Give Google's client; without a version it takes its default."""
    options = types.HttpOptions(base_url=server.url, api_version=version, timeout=20_000)
    gemini = genai.Client(api_key=key, http_options=options)
    try:
        yield gemini
    finally:
        gemini.close()
