"""Grounding of an answer: which sources, and which part of the text each of them supports.

Recorded: offsets are UTF-8 bytes within the text, a start of 0 is left out, the text of a segment is the text between
them. `web.uri` is an address of Google's that leads on, `title` the host. The sources are example domains.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

ALL = re.compile(r".+", re.DOTALL)

SENTENCE = re.compile(r"[^\s.!?\u201d].*?[.!?](?=[\s\u201d]|$)\u201d?", re.DOTALL)

SUPPORTS_MAX = 6
"""Segments that are told. Recorded answers have one to twenty."""

REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZIYQ"

HOSTS = ("example.com", "example.org", "example.net")

STATUS_WORDS = {"paywall": "PAYWALL", "unsafe": "UNSAFE", "error": "ERROR"}
"""A host that begins with such a word was not retrieved, for this reason."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an answer says that it comes from."""

    queries: tuple[str, ...] = ()
    chunks: tuple[dict[str, Any], ...] = ()
    urls: tuple[str, ...] = ()
    shows_empty: bool = False
    """2.5 says `groundingMetadata: {}` where nothing was looked up."""

    def metadata(self, text: str) -> dict[str, Any]:
        """Make the fields of the candidate for its final text."""
        told: dict[str, Any] = {}
        if self.queries:
            told["searchEntryPoint"] = {"renderedContent": entry_point(self.queries)}
        if self.chunks:
            told["groundingChunks"] = list(self.chunks)
            told["groundingSupports"] = supports(text, len(self.chunks))
        if self.queries:
            told["webSearchQueries"] = list(self.queries)
        fields: dict[str, Any] = {"groundingMetadata": told} if told or self.shows_empty else {}
        if self.urls:
            listed = [{"retrievedUrl": url, "urlRetrievalStatus": f"URL_RETRIEVAL_STATUS_{_status(url)}"} for url in self.urls]
            fields["urlContextMetadata"] = {"urlMetadata": listed}
        return fields


NO_SOURCES = Sources()


def supports(text: str, chunks: int) -> list[dict[str, Any]]:
    """Say which sentences which chunks support; of a text without sentences, such as JSON, the whole (recorded)."""
    listed = []
    found = list(SENTENCE.finditer(text))[:SUPPORTS_MAX] or list(ALL.finditer(text))
    for number, match in enumerate(found):
        start, end = (len(text[:at].encode()) for at in match.span())
        segment = {"startIndex": start, "endIndex": end, "text": match.group()}
        if not start:
            del segment["startIndex"]
        indices = sorted({number % chunks, (number * 2 + 1) % chunks})
        listed.append({"segment": segment, "groundingChunkIndices": indices})
    return listed


def web_chunks(query: str) -> tuple[dict[str, Any], ...]:
    """Make the sources of a search: one of the example domains each, and their addresses behind Google's."""
    marks = (hashlib.sha256(f"{host} {query}".encode()).hexdigest() for host in HOSTS)
    return tuple({"web": {"uri": REDIRECT + mark, "title": host}} for host, mark in zip(HOSTS, marks, strict=True))


def page_chunks(urls: list[str]) -> tuple[dict[str, Any], ...]:
    """Make the sources of web pages, as far as they are said to be retrieved."""
    return tuple({"web": {"uri": url, "title": urlsplit(url).netloc}} for url in urls if _status(url) == "SUCCESS")


def entry_point(queries: tuple[str, ...]) -> str:
    """Write the HTML that shows the queries, as a small relative of the recorded one (4,600 characters of style)."""
    chips = "".join(f'    <a class="chip" href="{REDIRECT}?q={quote(query)}">{_escaped(query)}</a>\n' for query in queries)
    return (
        "<style>\n.container {\n  align-items: center;\n  border-radius: 8px;\n  display: flex;\n}\n</style>\n"
        f'<div class="container">\n  <div class="carousel">\n{chips}  </div>\n</div>\n'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _status(url: str) -> str:
    host = urlsplit(url).netloc
    return next((status for word, status in STATUS_WORDS.items() if host.startswith(word)), "SUCCESS")
