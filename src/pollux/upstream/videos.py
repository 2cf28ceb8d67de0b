"""Films at the Gemini API: begin one, ask how it is, get it, remove it; by Veo's operations or by the Interactions API.

A film is paid for when it is begun, so that is sent once, on a connection of its own, and never repeated. The key goes to the
configured origin only, through redirects too. Source: Gemini API, Veo, Interactions; recorded traffic of Veo.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote, urljoin

import msgspec

from pollux.errors import UpstreamFailed
from pollux.translate import failures
from pollux.upstream.http import HttpClient, HttpFailed, HttpRequest, HttpStream
from pollux.upstream.passthrough import Passthrough, failed
from pollux.wire.gemini.videos import Interaction, Operation, decode_interaction, decode_operation

REDIRECTS_MAX = 3
ERROR_BYTES_MAX = 1_048_576

T = TypeVar("T")


class NativeVideos:
    """Calls the native methods of films at one origin."""

    def __init__(self, http: HttpClient, *, base_url: str, version: str, user_agent: str) -> None:
        self._http = http
        self._place = Passthrough(http, base_url)
        self._base = f"{self._place.origin}/{version}"
        self._user_agent = user_agent

    async def predict(self, model: str, body: bytes, *, key: str, headers: Mapping[str, str]) -> str:
        """Begin a film of Veo; give the operation's name. Raises ApiError."""
        operation = _read(
            decode_operation, await self._post(f"models/{quote(model)}:predictLongRunning", body, key, headers, model)
        )
        if not operation.name.startswith("models/"):
            raise UpstreamFailed("The Gemini API sent an operation without a name.", code="upstream_malformed")
        return operation.name

    async def operation(self, name: str, *, key: str, headers: Mapping[str, str]) -> Operation:
        """Ask how a film of Veo is. Raises ApiError."""
        return _read(decode_operation, await self._call("GET", quote(name), key, headers))

    async def interact(self, body: bytes, *, model: str, key: str, headers: Mapping[str, str]) -> Interaction:
        """Begin a film of Omni. Raises ApiError."""
        interaction = _read(decode_interaction, await self._post("interactions", body, key, headers, model))
        if not interaction.id:
            raise UpstreamFailed("The Gemini API sent an interaction without an id.", code="upstream_malformed")
        return interaction

    async def interaction(self, interaction_id: str, *, key: str, headers: Mapping[str, str]) -> Interaction:
        """Ask how a film of Omni is. Raises ApiError."""
        return _read(decode_interaction, await self._call("GET", f"interactions/{quote(interaction_id)}", key, headers))

    async def remove(self, name: str, *, key: str, headers: Mapping[str, str]) -> None:
        """Remove a file or an interaction. Raises ApiError."""
        await self._call("DELETE", quote(name), key, headers)

    async def open(self, file_name: str, *, key: str, headers: Mapping[str, str]) -> HttpStream:
        """Begin to read a film (`files/…`); whoever gets the stream closes it. Raises ApiError.

        Redirects are followed within the configured origin, which alone gets the key.
        """
        url = f"{self._base}/{quote(file_name)}:download?alt=media"
        for _ in range(REDIRECTS_MAX + 1):
            if not self._place.own(url):
                raise UpstreamFailed("The Gemini API redirects a download to another place.", code="upstream_malformed")
            try:
                stream = await self._http.stream(HttpRequest("GET", url, self._headers(key, headers)))
            except HttpFailed as error:
                failed(error)
            if stream.status in (200, 206, 416):
                return stream
            try:
                if stream.status not in (301, 302, 303, 307, 308):
                    raise failures.from_gemini(stream.status, await stream.read(ERROR_BYTES_MAX))
                url = urljoin(url, stream.headers.get("location", ""))
            except HttpFailed as error:
                failed(error)
            finally:
                await stream.close()
        raise UpstreamFailed("The Gemini API redirects a download without end.", code="upstream_malformed")

    async def _post(self, path: str, body: bytes, key: str, headers: Mapping[str, str], model: str) -> bytes:
        """Send what is paid for, once."""
        sent = self._headers(key, headers) | {"content-type": "application/json"}
        return await self._sent(HttpRequest("POST", f"{self._base}/{path}", sent, body, repeatable=False), model)

    async def _call(self, method: str, path: str, key: str, headers: Mapping[str, str]) -> bytes:
        return await self._sent(HttpRequest(method, f"{self._base}/{path}", self._headers(key, headers)), None)

    async def _sent(self, request: HttpRequest, model: str | None) -> bytes:
        try:
            reply = await self._http.call(request)
        except HttpFailed as error:
            failed(error)
        if reply.status != 200:
            raise failures.from_gemini(reply.status, reply.body, model=model)
        return reply.body

    def _headers(self, key: str, headers: Mapping[str, str]) -> dict[str, str]:
        return {"x-goog-api-key": key, "user-agent": self._user_agent} | dict(headers)


def _read(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("The Gemini API sent what is not an answer about a video.", code="upstream_malformed") from None
