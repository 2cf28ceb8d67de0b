"""Google's own tools: search, web pages, code, maps, files. Their traces are as recorded; nothing is looked up or run.

The answer says so itself. Arithmetic alone is really worked out. When a tool is used stands in README.md.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from pollux.emulator.arithmetic import found_expression, worked_out
from pollux.emulator.calling import asking_text
from pollux.emulator.grounding import NO_SOURCES, Sources, page_chunks, web_chunks
from pollux.emulator.limits import QUERY_CHARS_MAX
from pollux.emulator.models import Model
from pollux.emulator.tokens import count_text
from pollux.emulator.turns import current_turn
from pollux.emulator.words import Prompt

Part = dict[str, Any]

NO_SEARCH = re.compile(r"\b(?:without|do not|don['\u2019]t|no need to) (?:search|look|us)", re.IGNORECASE)

ALSO_SEARCH = re.compile(r"\balso\b.{0,60}\b(?:search|look up|browse)", re.IGNORECASE)

CODE_WORDS = re.compile(r"\b(?:code|python|execute|program|script|compute|calculate)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Used:
    """What the tools did for one answer."""

    lead: tuple[Part, ...] = ()
    sources: Sources = NO_SOURCES
    tokens: int = 0
    """What they fed back: `toolUsePromptTokenCount`."""
    sentences: tuple[str, ...] = ()
    """What the answer says about it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a tool sees of a request."""

    prompt: Prompt
    model: Model
    settings: dict[str, Any]
    is_traced: bool
    """Whether its traces are wanted as parts."""


def used_tools(request: dict[str, Any], model: Model) -> Used:
    """Use the tools that the request offers and its last text gives a reason for."""
    tools = {name: value for tool in request.get("tools", []) for name, value in tool.items()}
    prompt = Prompt(asking_text(request)[0])
    traced = model.family.mixes_tools and bool(request.get("toolConfig", {}).get("includeServerSideToolInvocations"))
    told = _told_in_this_turn(request)
    done = [use(Ask(prompt, model, tools[name], traced and name not in told)) for name, use in USES.items() if name in tools]
    empty = model.family.counts_thoughts_early and bool({"googleSearch", "urlContext"} & tools.keys())
    return Used(
        tuple(part for used in done for part in used.lead),
        Sources(
            tuple(query for used in done for query in used.sources.queries),
            tuple(chunk for used in done for chunk in used.sources.chunks),
            tuple(url for used in done for url in used.sources.urls),
            shows_empty=empty,
        ),
        sum(used.tokens for used in done),
        tuple(sentence for used in done for sentence in used.sentences),
    )


def beside_calls(request: dict[str, Any], model: Model) -> tuple[Part, ...]:
    """List the traces that stand after function calls: only when the prompt asks for a search too (recorded)."""
    text = asking_text(request)[0]
    traced = request.get("toolConfig", {}).get("includeServerSideToolInvocations")
    offered = any("googleSearch" in tool for tool in request.get("tools", []))
    if not (traced and offered and ALSO_SEARCH.search(text[:QUERY_CHARS_MAX])):
        return ()
    return _search(Ask(Prompt(text), model, {}, is_traced=True)).lead


def _search(ask: Ask) -> Used:
    query = " ".join(ask.prompt.text.split())[:QUERY_CHARS_MAX]
    if not query or NO_SEARCH.search(query):
        return Used()
    sources = Sources((query,), web_chunks(query))
    suggestions = {"search_suggestions": sources.metadata("")["groundingMetadata"]["searchEntryPoint"]["renderedContent"]}
    lead = _trace(KINDS["googleSearch"], {"queries": [query]}, suggestions) if ask.is_traced else ()
    tokens = 0 if ask.model.family.mixes_tools else 90 + count_text(query)
    return Used(lead, sources, tokens, (f"A search for \u201c{query}\u201d is told as a source, but nothing was looked up.",))


def _pages(ask: Ask) -> Used:
    urls = ask.prompt.urls[:20]
    if not urls:
        return Used()
    lead = _trace(KINDS["urlContext"], {"urls": urls}, {}) if ask.is_traced else ()
    told = (
        f"{len(urls)} web page{'' if len(urls) == 1 else 's'} told as retrieved, but nothing was fetched: {', '.join(urls)} ."
    )
    return Used(lead, Sources((), page_chunks(urls), tuple(urls)), 600 * len(urls), (told,))


def _code(ask: Ask) -> Used:
    expression = found_expression(ask.prompt.read)
    if not expression and not CODE_WORDS.search(ask.prompt.read):
        return Used()
    words = len(ask.prompt.read.split())
    code = f"print({expression})\n" if expression else f"print({words})  # the words of the prompt\n"
    well, output = worked_out(expression) if expression else (True, f"{words}\n")
    lead = (
        {"executableCode": {"language": "PYTHON", "code": code}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK" if well else "OUTCOME_FAILED", "output": output}},
    )
    told = f"The code gave {output.strip()}; the emulator works out arithmetic itself and runs no code."
    return Used(lead, Sources(), 60 + count_text(code) * 2 + count_text(output), (told,))


def _maps(ask: Ask) -> Used:
    places = ask.prompt.names[:3]
    if not places:
        return Used()
    chunks = tuple(
        {"maps": {"uri": f"https://maps.google.com/?cid={_number(place)}", "title": place, "placeId": f"places/{_mark(place)}"}}
        for place in places
    )
    lead = _trace(KINDS["googleMaps"], {"queries": places}, {}) if ask.is_traced else ()
    told = f"Maps are told as a source for {', '.join(places)}, but nothing was looked up."
    return Used(lead, Sources((), chunks), 120, (told,))


def _files(ask: Ask) -> Used:
    stores = ask.settings.get("fileSearchStoreNames", [])
    if not stores or not ask.prompt.text.strip():
        return Used()
    text = "This text stands for a passage of a stored file; the emulator searched no store."
    chunks = tuple({"retrievedContext": {"fileSearchStore": store, "text": text}} for store in stores[:5])
    lead = _trace(KINDS["fileSearch"], None, None) if ask.is_traced else ()
    return Used(lead, Sources((), chunks), 240, ("A stored file is told as a source, but no store was searched.",))


def _told_in_this_turn(request: dict[str, Any]) -> set[str]:
    """Name the tools whose traces the current turn has already: they are not used again (recorded)."""
    contents = request.get("contents", [])
    parts = [part for content in contents[current_turn(contents) :] for part in content.get("parts", [])]
    kinds = {part["toolCall"].get("toolType") for part in parts if "toolCall" in part}
    return {name for name, kind in KINDS.items() if kind in kinds}


KINDS = {
    "googleSearch": "GOOGLE_SEARCH_WEB",
    "urlContext": "URL_CONTEXT",
    "googleMaps": "GOOGLE_MAPS",
    "fileSearch": "FILE_SEARCH",
}

USES = {"googleSearch": _search, "urlContext": _pages, "codeExecution": _code, "googleMaps": _maps, "fileSearch": _files}


def _trace(kind: str, args: dict[str, Any] | None, response: dict[str, Any] | None) -> tuple[Part, ...]:
    call: dict[str, Any] = {"toolType": kind} if args is None else {"toolType": kind, "args": args}
    told: dict[str, Any] = {"toolType": kind} if response is None else {"toolType": kind, "response": response}
    return {"toolCall": call}, {"toolResponse": told}


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:22]


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
