"""The native Batch API: create a job, look for one, ask how it is, cancel it, and read its results.

A create is sent once and never repeated here: a job is paid for. Whether one came about is found out by its display name.
Source: Gemini API, Batch API; the discovery document.
"""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, urlencode, urljoin

import msgspec

from pollux.errors import UpstreamFailed
from pollux.translate import failures
from pollux.upstream.http import HttpClient, HttpFailed, HttpReply, HttpRequest, HttpStream
from pollux.upstream.passthrough import Passthrough, failed
from pollux.wire.gemini.batches import (
    CreateBatch,
    InputConfig,
    NewBatch,
    Operation,
    Operations,
    decode_operation,
    decode_operations,
)

LIST_PAGE = 1000
LIST_PAGES_MAX = 100
"""Pages that are looked through for a job; newest jobs come first, and a project has some hundreds."""

REDIRECTS_MAX = 3
ERROR_BYTES_MAX = 1_048_576


class NativeBatches:
    """Calls the Batch API at one origin."""

    def __init__(self, http: HttpClient, *, base_url: str, version: str, user_agent: str) -> None:
        self._http = http
        self._place = Passthrough(http, base_url)
        self._base = f"{self._place.origin}/{version}"
        self._user_agent = user_agent

    async def create(
        self, model: str, method: str, display_name: str, file_name: str, *, key: str, headers: Mapping[str, str]
    ) -> Operation:
        """Create a job of the requests in a file. Raises ApiError; UpstreamFailed leaves open whether there is a job now."""
        body = msgspec.json.encode(
            CreateBatch(NewBatch(display_name=display_name, input_config=InputConfig(file_name=file_name)))
        )
        url = f"{self._base}/models/{quote(model)}:{method}"
        sent = self._headers(key, headers) | {"content-type": "application/json"}
        reply = await self._call(HttpRequest("POST", url, sent, body, repeatable=False), model)
        return _read(reply)

    async def find(self, display_name: str, *, key: str, headers: Mapping[str, str]) -> Operation | None:
        """Look for the job of this display name. Raises ApiError."""
        token = ""
        for _ in range(LIST_PAGES_MAX):
            query = {"pageSize": str(LIST_PAGE)} | ({"pageToken": token} if token else {})
            url = f"{self._base}/batches?{urlencode(query)}"
            page = _decoded(await self._call(HttpRequest("GET", url, self._headers(key, headers))))
            for operation in page.operations or []:
                if operation.metadata is not None and operation.metadata.display_name == display_name:
                    return operation
            token = page.next_page_token or ""
            if not token:
                return None
        raise UpstreamFailed(f"The Gemini API's list of batches did not end after {LIST_PAGES_MAX} pages.")

    async def get(self, name: str, *, key: str, headers: Mapping[str, str]) -> Operation:
        """Give what the service says of a job (`batches/…`). Raises ApiError."""
        return _read(await self._call(HttpRequest("GET", f"{self._base}/{quote(name)}", self._headers(key, headers))))

    async def cancel(self, name: str, *, key: str, headers: Mapping[str, str]) -> None:
        """Ask for a job's end. Raises ApiError."""
        url = f"{self._base}/{quote(name)}:cancel"
        sent = self._headers(key, headers) | {"content-type": "application/json"}
        await self._call(HttpRequest("POST", url, sent, b"{}"))

    async def download(self, file_name: str, *, key: str, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Give the bytes of a file of results (`files/…`), in pieces. Raises ApiError.

        The key follows redirects within the configured origin only.
        """
        url = f"{self._base}/{quote(file_name)}:download?alt=media"
        for _ in range(REDIRECTS_MAX + 1):
            if not self._place.own(url):
                raise UpstreamFailed("The Gemini API redirects a download to another place.", code="upstream_malformed")
            try:
                stream = await self._http.stream(HttpRequest("GET", url, self._headers(key, headers)))
            except HttpFailed as error:
                failed(error)
            try:
                if stream.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, stream.headers.get("location", ""))
                    continue
                await _check(stream)
                async for piece in stream.reads():
                    yield piece
                return  # noqa: TRY300 - the redirect before it goes on
            except HttpFailed as error:
                failed(error)
            finally:
                await stream.close()
        raise UpstreamFailed("The Gemini API redirects a download without end.")

    async def _call(self, request: HttpRequest, model: str | None = None) -> HttpReply:
        try:
            reply = await self._http.call(request)
        except HttpFailed as error:
            failed(error)
        if reply.status != 200:
            raise failures.from_gemini(reply.status, reply.body, model=model)
        return reply

    def _headers(self, key: str, headers: Mapping[str, str]) -> dict[str, str]:
        return {"x-goog-api-key": key, "user-agent": self._user_agent} | dict(headers)


async def _check(stream: HttpStream) -> None:
    if stream.status != 200:
        raise failures.from_gemini(stream.status, await stream.read(ERROR_BYTES_MAX))


def _read(reply: HttpReply) -> Operation:
    try:
        operation = decode_operation(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("The Gemini API sent what is not a batch.", code="upstream_malformed") from None
    if not operation.name.startswith("batches/"):
        raise UpstreamFailed("The Gemini API sent a batch without a name.", code="upstream_malformed")
    return operation


def _decoded(reply: HttpReply) -> Operations:
    try:
        return decode_operations(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("The Gemini API sent what is not a list of batches.", code="upstream_malformed") from None
