"""The loss report of an answer: a header always, the body on request, and strict mode, which refuses instead."""

from typing import TYPE_CHECKING

from pollux.errors import InvalidRequest
from pollux.server.exchange import Exchange
from pollux.translate import losses
from pollux.wire.openai.audio import DiarizedTranscription, SpeechDone, TranscriptDone, Transcription, VerboseTranscription
from pollux.wire.openai.chat import ChatCompletion, ChatCompletionChunk
from pollux.wire.openai.embeddings import EmbeddingList
from pollux.wire.openai.images import CompletedEvent, ImagesResponse
from pollux.wire.openai.videos import Video

if TYPE_CHECKING:
    from pollux.server.app import App

_SWITCH = {b"true": True, b"1": True, b"false": False, b"0": False}
_PLACES = {b"body": True, b"header": False}


def refuse_losses(app: "App", exchange: Exchange) -> None:
    """In strict mode refuse a request that loses something. Raises Unsupported, which names everything.

    To be called when all that the request loses is known, before anything is paid for.
    """
    if exchange.notes and _chosen(exchange, b"x-pollux-strict", _SWITCH, default=app.settings.strict):
        raise losses.refusal(exchange.notes)


def wanted_in_body(app: "App", exchange: Exchange) -> bool:
    """Say whether the caller wants the report in the body too."""
    return _chosen(exchange, b"x-pollux-report", _PLACES, default=app.settings.report == "body")


Answer = (
    ChatCompletion
    | ChatCompletionChunk
    | EmbeddingList
    | ImagesResponse
    | CompletedEvent
    | SpeechDone
    | Transcription
    | VerboseTranscription
    | DiarizedTranscription
    | TranscriptDone
    | Video
)


def attach(exchange: Exchange, answer: Answer) -> None:
    """Put the report into a whole answer, or into the last message of a streamed one, where that is wanted."""
    if exchange.reports_in_body:
        said = answer.extra_content.get("pollux", {}) if isinstance(answer.extra_content, dict) else {}
        answer.extra_content = {"pollux": said | losses.sheet(exchange.notes)}


def _chosen(exchange: Exchange, name: bytes, values: dict[bytes, bool], *, default: bool) -> bool:
    given = exchange.headers.get(name)
    if given is None:
        return default
    chosen = values.get(given.lower())
    if chosen is None:
        header = name.decode()
        allowed = " or ".join(value.decode() for value in list(values)[:: len(values) // 2])
        raise InvalidRequest(f"The header {header} must be {allowed}.", param=header)
    return chosen
