"""The server that the official clients drive: the real one, with the emulator as upstream, on loopback ports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from pollux.settings import Settings
from tests.serving import running

SCRIPT: list[dict[str, Any]] = [
    {"match": {"text": "sky"}, "say": {"events": ["The sky", " is", " blue."]}},
    {"match": {"text": "long"}, "say": {"text": "Once upon a time.", "finish": "MAX_TOKENS"}},
    {"match": {"text": "forbidden"}, "say": {"blocked": "SAFETY"}},
]


@dataclass
class Service:
    """The server and the emulator behind it."""

    url: str
    emulator: Emulator

    @property
    def calls(self) -> int:
        """Count the native calls for an answer since the test began."""
        return len(self.emulator.journal.entries())


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients would send what is meant for a loopback port to the proxy of the developer's shell."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def _service() -> Iterator[Service]:
    emulator = Emulator(script=SCRIPT)
    with EmulatorServer(emulator) as upstream:
        settings = Settings(upstream="emulator", upstream_url=upstream.url, secret="of the tests", access_log=False)
        with running(settings) as url:
            yield Service(url, emulator)


@pytest.fixture
def service(_service: Service) -> Service:
    """The service, with an empty journal."""
    _service.emulator.reset()
    return _service
