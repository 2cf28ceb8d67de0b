"""Media of a request: taken from their parts, looked at, counted and told, or refused in the service's words.

Sources of the words: RECORDED is a fixture of ../shared; a link is a public thread that quotes the live answer; AFTER
means that no wording is known, and this one is formed after its neighbours.
"""

import base64
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.limits import INLINE_PDF_BYTES_MAX
from pollux.emulator.media import clips, documents, pictures_in
from pollux.emulator.media.counting import Clip, clip_of, count
from pollux.emulator.media.facts import Broken, Facts, plain, sentence
from pollux.emulator.media.kinds import Kind, kind_of
from pollux.emulator.media.pool import off_the_loop
from pollux.emulator.models import Model
from pollux.emulator.sound_files import Unreadable, listen
from pollux.emulator.sound_hearing import NOTHING_HEARD, Hearing

UNFETCHED = {
    "image": Facts("image", width=1024, height=1024, fetched=False),
    "audio": Facts("audio", seconds=60, fetched=False),
    "video": Facts("video", width=1280, height=720, seconds=60, sound=True, fetched=False),
    "document": Facts("document", pages=1, page_ratio=documents.LETTER, fetched=False),
    "text": Facts("text", tokens=258, fetched=False),
}
"""What a file behind a foreign URL counts as: the emulator has no network. A recorded minute of YouTube counts as here."""

YOUTUBE = ("youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be")

RESULT_TYPES = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")
"""What a function's result may carry. Source: function calling, multimodal function responses."""

BROKEN = {
    "document": "The document has no pages.",
    "image": "Provided image is not valid.",
}
"""RECORDED for documents (`test_document_url_input`); https://github.com/google-gemini/gemini-cli/issues/27244 for images."""

BROKEN_IMAGE_2_5 = (
    "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
)
"""https://github.com/google-gemini/gemini-cli/issues/5064 (gemini-2.5-pro)."""

BROKEN_ELSE = "Request contains an invalid argument."
"""https://github.com/google-gemini/gemini-cli/issues/13755: a WAV that is none. AFTER it: films."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the media of one request are counted for."""

    model: Model
    config: dict[str, Any]
    in_result: bool = False


async def attached_inline(part: dict[str, Any], where: str, bound: Bound) -> dict[str, Any]:
    """Look at a part's `inlineData`."""
    blob = part["inlineData"]
    mime_type = str(blob.get("mimeType", ""))
    kind = _checked(mime_type, bound)
    data = decoded(str(blob.get("data", "")))
    if kind == "document" and len(data) > INLINE_PDF_BYTES_MAX:
        # AFTER the limit of a request's body.
        raise invalid(f"The document size exceeds the limit for inline data: {INLINE_PDF_BYTES_MAX} bytes.")
    facts = await looked_at(data, len(data), kind, mime_type, bound.model)
    clip = _clip(part, where, bound)
    told = f"It holds {sentence(facts)}, labelled {mime_type}, {len(data)} bytes{_part_of(facts, clip)}.{_begins(facts)}"
    return _entry(facts, clip, bound, told)


def attached_file(part: dict[str, Any], where: str, file: dict[str, Any], facts: Facts, bound: Bound) -> dict[str, Any]:
    """Tell a file of the Files API, whose facts are known."""
    clip = _clip(part, where, bound)
    title = f" “{file['displayName']}”" if file["displayName"] else ""
    what = sentence(facts)
    told = (
        f"It refers to {file['name']}{title}, {file['mimeType']}, {file['sizeBytes']} bytes. "
        f"It is {what}{_part_of(facts, clip)}.{_begins(facts)}"
    )
    return _entry(facts, clip, bound, told)


def attached_url(part: dict[str, Any], where: str, bound: Bound) -> dict[str, Any]:
    """Count a foreign URL by its label; the emulator fetches nothing."""
    uri = str(part["fileData"].get("fileUri", ""))
    address = urlsplit(uri)
    host = (address.hostname or "").lower()
    if address.scheme != "https" or not host:
        # https://github.com/BoundaryML/baml/issues/1548
        raise invalid(f"Invalid or unsupported file uri: {uri}")
    if host == "localhost" or host.endswith((".invalid", ".localhost")) or host.replace(".", "").isdigit() or ":" in host:
        # https://github.com/maximhq/bifrost/pull/1989: the emulator says it of hosts that no service could reach.
        raise invalid("Cannot fetch content from the provided URL.")
    mime_type = str(part["fileData"].get("mimeType", "")) or "video/mp4"
    kind = "video" if host in YOUTUBE else _checked(mime_type, bound)
    facts, clip = UNFETCHED[kind], _clip(part, where, bound)
    what = "a YouTube video" if host in YOUTUBE else mime_type
    told = f"It refers to {uri}, {what}, which the emulator does not fetch{_part_of(facts, clip)}."
    return _entry(facts, clip, bound, told)


def _entry(facts: Facts, clip: Clip, bound: Bound, told: str) -> dict[str, Any]:
    counted = count(facts, clip, grid=bound.model.family.counts_media_by_grid)
    entry: dict[str, Any] = {"kind": facts.kind, "tokens": counted, "told": told}
    if facts.kind in ("audio", "video"):
        entry |= {"is": sentence(facts), "seconds": facts.seconds, "hearing": facts.hearing}
    return entry


def _checked(mime_type: str, bound: Bound) -> Kind:
    kind = kind_of(mime_type)
    if kind is None or (bound.in_result and mime_type not in RESULT_TYPES):
        # Quoted in many public threads; AFTER it, for results of functions.
        raise invalid(f"Unsupported MIME type: {mime_type}")
    check_modality(kind, bound.model)
    return kind


def check_modality(kind: Kind, model: Model) -> None:
    """Refuse a kind of media that a model does not read."""
    if kind in model.family.blind_to or (model.speaks and kind != "text"):
        # Quoted in many public threads, for images.
        raise invalid(f"{kind.capitalize()} input modality is not enabled for models/{model.target or model.name}")


async def looked_at(source: bytes | Path, size: int, kind: Kind, mime_type: str, model: Model) -> Facts:
    """Look at bytes, in a thread; refuse what is broken."""
    try:
        return await facts_of(source, size, kind, mime_type)
    except Broken:
        raise broken(kind, model) from None


async def facts_of(source: bytes | Path, size: int, kind: Kind, mime_type: str) -> Facts:
    """Look at bytes, in a thread. Only sounds and films are read from a path without being held in memory."""
    match kind:
        case "image":
            return await off_the_loop(lambda: pictures_in.look(_bytes(source)))
        case "audio" | "video":
            facts = await off_the_loop(partial(clips.play, source, kind, mime_type))
            return replace(facts, hearing=await off_the_loop(partial(_listen, source, mime_type)))
        case "document":
            return await off_the_loop(lambda: documents.leaf_through(_bytes(source)))
        case "text":
            return await off_the_loop(lambda: documents.read(_bytes(source), size))


def _listen(source: bytes | Path, mime_type: str) -> Hearing:
    try:
        return listen(source, mime_type)
    except Unreadable:
        return NOTHING_HEARD


def broken(kind: Kind, model: Model) -> NativeError:
    """Refuse bytes that cannot be read."""
    if kind == "image" and model.family.name.startswith("2.5"):
        return invalid(BROKEN_IMAGE_2_5)
    return invalid(BROKEN.get(kind, BROKEN_ELSE))


def decoded(data: str) -> bytes:
    """Decode base64 in either alphabet; its form has been checked."""
    plain_data = data.translate(URL_SAFE).rstrip("=")
    return base64.b64decode(plain_data + "=" * (-len(plain_data) % 4))


URL_SAFE = str.maketrans("-_", "+/")


def _bytes(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _clip(part: dict[str, Any], where: str, bound: Bound) -> Clip:
    """Read what of a medium is meant, or refuse it. AFTER the temperature."""
    try:
        clip = clip_of(part, bound.config, in_result=bound.in_result)
    except (TypeError, ValueError):
        raise invalid(f"* GenerateContentRequest.{where}: offsets must be durations such as 12.5s.\n") from None
    if not 0 < clip.frames_a_second <= 24:
        raise invalid(f"* GenerateContentRequest.{where}.video_metadata.fps: fps must be in the range (0.0, 24.0].\n")
    if clip.start < 0 or (clip.end is not None and clip.end <= clip.start):
        message = "end_offset must be after start_offset, which must not be negative."
        raise invalid(f"* GenerateContentRequest.{where}.video_metadata: {message}\n")
    return clip


def _part_of(facts: Facts, clip: Clip) -> str:
    """Tell what of it is meant, where that is not all."""
    told = ""
    if facts.kind in ("audio", "video") and (clip.start or clip.end is not None):
        told += f", of which {plain(clip.seconds(facts))} seconds from second {plain(clip.start)} on are meant"
    if facts.kind == "video" and clip.frames_a_second != 1:
        told += f", looked at {plain(clip.frames_a_second)} times a second"
    return told


def _begins(facts: Facts) -> str:
    return f" It begins with “{facts.begins}”." if facts.begins else ""
