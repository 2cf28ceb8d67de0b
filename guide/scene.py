"""The scene of a run: the server's address, the caller's key, a folder with tiny media, and what earlier samples made."""

import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

REPLY_SECONDS_MAX = 30


@dataclass(slots=True)
class Scene:
    """Where the samples run. `files` are the media by the path the guide prints; `videos` the ids that 08 made, by language."""

    base_url: str
    key: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, str] = field(default_factory=dict)

    def get(self, url: str) -> bytes:
        """Fetch a path of the server, or a URL on it, with the caller's key; raises OSError on any failure."""
        return self._call(url, None)

    def post(self, path: str, body: object) -> Any:
        """Send JSON to a path of the server and return the JSON answer; raises OSError on any failure."""
        return msgspec.json.decode(self._call(path, msgspec.json.encode(body)))

    def _call(self, url: str, body: bytes | None) -> bytes:
        url = url if "://" in url else self.base_url + url
        if not url.startswith(self.base_url + "/"):
            raise OSError(f"{url} is not on the server")
        headers = {"Authorization": f"Bearer {self.key}"} if "/openai/" in url else {"x-goog-api-key": self.key}
        request = urllib.request.Request(url, data=body, headers=headers | {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is local
        try:
            with opener.open(request, timeout=REPLY_SECONDS_MAX) as reply:
                content: bytes = reply.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"{error.code} {error.read()[:300].decode(errors='replace')}") from error
