"""Videos in the server's tests: the emulator behind the server, films ready at once, and a look at what was paid for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import KEY, Answer, Pollux, ask, pollux

VEO, OMNI = "veo-3.1-generate-preview", "gemini-omni-1.1-flash"
AT_ONCE = {"x-emulator-fault": "processing=0"}
VIDEOS = "/v1/videos"


@dataclass
class Studio:
    """A server, and the emulator behind it."""

    pollux: Pollux
    emulator: Emulator

    @property
    def url(self) -> str:
        """The server's address."""
        return self.pollux.url

    def client(self, key: str = KEY, **options: Any) -> OpenAI:
        """Give the official client."""
        return OpenAI(api_key=key, base_url=f"{self.url}/v1", **options)

    def begun(self) -> list[dict[str, Any]]:
        """Give the native requests that were paid for."""
        return [
            entry
            for entry in self.emulator.journal.entries()
            if entry["method"] == "POST" and entry["path"].endswith((":predictLongRunning", "/interactions"))
        ]

    def create(self, *, headers: dict[str, str] | None = None, key: str = KEY, **fields: Any) -> Answer:
        """Create a video by plain JSON."""
        body = {"model": VEO, "prompt": "A calm ocean wave at sunset", **fields}
        return ask(self.url, VIDEOS, json=body, headers=AT_ONCE | (headers or {}), key=key)


@contextmanager
def studio(folder: Path, **settings: Any) -> Iterator[Studio]:
    """Run both."""
    with EmulatorServer(Emulator()) as upstream:
        defaults: dict[str, Any] = {"upstream": "emulator", "data_dir": str(folder), "video_poll_seconds": 0.05}
        with pollux(upstream.url, **defaults | settings) as running:
            yield Studio(running, upstream.emulator)
