"""`pollux explain`: what would be sent for a chat request, and what would be lost of it; nothing is sent."""

import argparse
import sys
from pathlib import Path
from typing import Any, TextIO

import msgspec

from pollux.cli.terminal import visible
from pollux.errors import ApiError
from pollux.media import inline, sniff
from pollux.server import bodies
from pollux.server.media import YOUTUBE
from pollux.settings import Settings, SettingsError, load
from pollux.translate import chat, failures, losses
from pollux.translate.media import Found, Source, sources
from pollux.translate.models import bare_id
from pollux.translate.notes import Note
from pollux.translate.profiles import profile
from pollux.upstream.client import GOOGLE
from pollux.wire.closed import Decoders
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai.chat import ChatCompletionRequest

EXAMPLES = """\
examples:
  pollux explain request.json
  pollux explain --model gemini-2.5-flash --strict request.json
  pollux explain --json - < request.json | jq .losses

It needs no key and no network. A server knows more: which models are listed, what fetched media are, remembered turns.
"""

SHOWN_CHARACTERS_MAX = 60
"""How much of a base64 text is shown to people; --json has it whole."""


class Explained(msgspec.Struct, omit_defaults=True):
    """What would be sent, and what would be lost. `times`: how many native calls answer it."""

    method: str
    url: str
    times: int
    body: msgspec.Raw
    media: list[dict[str, str]]
    losses: list[dict[str, Any]]
    header: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "request", metavar="FILE", help="The body of a chat completion, as JSON; - reads it from standard input."
    )
    parser.add_argument("--model", help="Another model than the request's.")
    parser.add_argument("--strict", action="store_true", help="Refuse what would be lost, as the header x-pollux-strict does.")
    parser.add_argument("--json", action="store_true", help="Print JSON, with media whole.")


def run(given: argparse.Namespace) -> int:
    """Explain a request on standard output; 1 when it would be refused."""
    settings = load()
    body = _read(given.request)
    try:
        explained = _explain(body, settings, model=given.model, strict=given.strict or settings.strict)
    except ApiError as error:
        if given.json:
            print(msgspec.json.encode({"status": error.status, "body": failures.body(error)}).decode())
        else:
            print(visible(f"pollux: The request would be refused with {error.status}: {error.message}"), file=sys.stderr)
        return 1
    if given.json:
        print(msgspec.json.encode(explained).decode())
    else:
        _show(explained, sys.stdout)
    return 0


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}.") from None


def _explain(body: bytes, settings: Settings, *, model: str | None, strict: bool) -> Explained:
    """Translate as the server does. Raises ApiError where the server would refuse."""
    notes: list[Note] = []
    request = bodies.read_request(body, Decoders(ChatCompletionRequest), notes, nesting_max=settings.nesting_max)
    asked = bare_id(model or request.model)
    answers = bare_id(settings.aliases.get(asked, asked))
    if answers != asked:
        notes.append(Note("model", "approximated", f"{answers} answers for {asked}, unless the upstream lists that name"))
    media = sources(request.messages)
    family = profile(answers, settings.model_facts.get(answers, ""))
    plan = chat.to_gemini(request, family, chat.trail(request, family), found=[_found(source) for source in media])
    notes += plan.notes
    if strict and notes:
        raise losses.refusal(notes)
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Explained(
        method="POST",
        url=f"{settings.upstream_url or GOOGLE}/{settings.api_version}/models/{answers}:{verb}",
        times=plan.calls,
        body=msgspec.Raw(encode_request(plan.native).body),
        media=[{"param": source.path, "what": _what(source)} for source in media],
        losses=losses.sheet(notes)["losses"],
        header=losses.header(notes).decode(),
    )


def _found(source: Source) -> Found:
    """Say what a source is; what lies elsewhere keeps its address, since nothing is fetched here."""
    return inline.found(source) if source.data is not None else Found(source, source.label, uri=source.address)


def _what(source: Source) -> str:
    if source.data is not None:
        redrawn = ", redrawn as PNG by the server" if inline.found(source).mime_type in sniff.REDRAWN else ""
        return f"stands in the request, {len(source.data)} characters{redrawn}"
    if source.address.startswith("file"):
        return f"the server would look up {source.address}"
    if YOUTUBE.match(source.address) or source.address.startswith("gs:"):
        return f"Google would read {source.address}"
    return f"the server would fetch {source.address}"


def _show(explained: Explained, out: TextIO) -> None:
    """Write for people: the request, then what is lost of it."""
    body = msgspec.json.format(msgspec.json.encode(_shortened(msgspec.json.decode(explained.body))), indent=2).decode()
    lines = [f"{explained.method} {explained.url}", body, ""]
    if explained.times > 1:
        lines += [f"Sent {explained.times} times, once for each answer.", ""]
    if explained.media:
        lines += ["Media:", *(f"  {media['param']}: {media['what']}" for media in explained.media), ""]
    if explained.losses:
        lines += ["Lost:", *(f"  {loss['param']} {loss['fate']}: {loss['why']}" for loss in explained.losses), ""]
        lines.append(f"x-pollux-losses: {explained.header}")
    else:
        lines.append("Nothing is lost.")
    text = "\n".join(lines) + "\n"
    out.write(visible(text) if out.isatty() else text)


def _shortened(value: Any) -> Any:
    """Cut the base64 of media, wherever it stands."""
    match value:
        case {"inlineData": {"data": str(data), **rest}, **beside} if len(data) > SHOWN_CHARACTERS_MAX:
            cut = f"{data[:SHOWN_CHARACTERS_MAX]}… ({len(data)} characters)"
            return {"inlineData": {**rest, "data": cut}, **_shortened(beside)}
        case dict():
            return {key: _shortened(inner) for key, inner in value.items()}
        case list():
            return [_shortened(inner) for inner in value]
    return value
