"""Citations and grounding → `annotations`.

Gemini's offsets count UTF-8 bytes within one part; OpenAI's count characters of the final content. An omitted start is 0. A
segment brings its own text, so every offset is checked against it: the part that it names, the whole content, then a search
for the text. A segment that is nowhere gives no annotation; the native metadata survives in `extra_content` all the same.

Source: OpenAI API, annotations, url_citation; Gemini API, groundingMetadata, citationMetadata; recorded answers.
"""

import re
from typing import Any

Json = dict[str, Any]

_HOST = re.compile(r"[a-z]+://([^/?#:]+)", re.IGNORECASE)


def annotations(texts: list[str], grounding: Json | None, citations: Json | None) -> list[Json]:
    """Give the annotations of an answer; `texts` are its text parts, in order, which joined are its content."""
    found: list[Json] = []
    content = "".join(texts)
    if grounding:
        chunks = grounding.get("groundingChunks") or []
        for support in grounding.get("groundingSupports") or []:
            span = _span(support.get("segment") or {}, texts, content)
            if span is not None:
                for i in support.get("groundingChunkIndices") or []:
                    source = _source(chunks[i]) if isinstance(i, int) and 0 <= i < len(chunks) else None
                    if source is not None:
                        found.append(_url_citation(span, *source))
    if citations:
        for citation in citations.get("citationSources") or citations.get("citations") or []:
            span = _span(citation, texts, content)
            uri = citation.get("uri")
            if span is not None and uri:
                found.append(_url_citation(span, uri, citation.get("title") or _host(uri)))
    return found


def grounding_of_both(earlier: Json, later: Json) -> Json:
    """Join the grounding of a call and of the one that continues it: the numbers of sources count on.

    Where a segment of the later one stands in the whole answer, its text says (`annotations`).
    Source: Gemini API, GroundingMetadata; of continued answers nothing is documented.
    """
    before = len(earlier.get("groundingChunks") or ())
    renumbered = [
        support | {"groundingChunkIndices": [before + i for i in support.get("groundingChunkIndices") or ()]}
        for support in later.get("groundingSupports") or ()
    ]
    joined = earlier | later
    for name, new in (
        ("groundingChunks", later.get("groundingChunks") or ()),
        ("groundingSupports", renumbered),
        ("webSearchQueries", later.get("webSearchQueries") or ()),
    ):
        if name in joined:
            joined[name] = [*(earlier.get(name) or ()), *new]
    return joined


def _url_citation(span: tuple[int, int], url: str, title: str) -> Json:
    return {
        "type": "url_citation",
        "url_citation": {"start_index": span[0], "end_index": span[1], "url": url, "title": title},
    }


def _source(chunk: Json) -> tuple[str, str] | None:
    """Give the address and the title of a grounding chunk, of whatever kind it is."""
    for value in chunk.values():
        if isinstance(value, dict):
            uri = value.get("uri") or value.get("sourceUri")
            if uri:
                return uri, value.get("title") or _host(uri)
    return None


def _span(segment: Json, texts: list[str], content: str) -> tuple[int, int] | None:
    start, end, said = segment.get("startIndex") or 0, segment.get("endIndex"), segment.get("text")
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
        return None
    part = segment.get("partIndex") or 0
    if part and said is None and part not in range(len(texts)):
        return None  # the offsets count in a part that is not known, and nothing can be checked
    before = "".join(texts[:part]) if isinstance(part, int) and 0 < part < len(texts) else ""
    for base in dict.fromkeys((before, "")):
        span = _characters(content[len(base) :].encode(), start, end)
        if span is not None:
            begin, stop = span[0] + len(base), span[1] + len(base)
            if said is None or content[begin:stop] == said:
                return begin, stop
    if said:
        at = content.find(said)
        if at >= 0:
            return at, at + len(said)
    return None


def _characters(text: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Count characters instead of bytes; None where the offsets lie outside the text or inside a character."""
    if end > len(text):
        return None
    try:
        begin = len(text[:start].decode())
        return begin, begin + len(text[start:end].decode())
    except UnicodeDecodeError:
        return None


def _host(uri: str) -> str:
    """Name a source that has no title."""
    found = _HOST.match(uri)
    return found[1] if found else uri
