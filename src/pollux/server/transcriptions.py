"""POST /audio/transcriptions and /audio/translations: what is said in a recording, whole or in events."""

import re
from typing import TYPE_CHECKING

import msgspec

from pollux.errors import ApiError, InvalidRequest
from pollux.media import inline
from pollux.server import multipart, report
from pollux.server.answering import Answering
from pollux.server.asking import Replies, WholeReply
from pollux.server.exchange import JSON, Exchange, Header
from pollux.server.multipart import FORM_BYTES_MAX, Form
from pollux.server.recording import Recording
from pollux.server.streaming import Commitment
from pollux.translate import transcript, transcription
from pollux.translate.failures import says_nothing
from pollux.translate.media import Found, Source
from pollux.translate.profiles import profile
from pollux.translate.transcript import Heard
from pollux.translate.transcription import Task, TranscriptionRequest
from pollux.upstream.http import Parts
from pollux.wire import sse
from pollux.wire.openai.audio import TranscriptDelta, TranscriptDone

if TYPE_CHECKING:
    from pollux.server.app import App

REFERENCE_BYTES_MAX = 8_388_608
"""Longest field: a sample of a known voice, ten seconds at most, as a data URL."""

TEXT: tuple[Header, ...] = ((b"content-type", b"text/plain; charset=utf-8"),)
VTT: tuple[Header, ...] = ((b"content-type", b"text/vtt; charset=utf-8"),)

_DATA_URL = re.compile(r"data:(?P<label>[\w.+-]{1,60}/[\w.+-]{1,60})?(?:;[\w=-]{1,60}){0,4};base64,", re.IGNORECASE)

_encode = msgspec.json.Encoder().encode


async def create_transcription(app: "App", exchange: Exchange) -> None:
    """Write down what is said."""
    await _create(app, exchange, "transcribe")


async def create_translation(app: "App", exchange: Exchange) -> None:
    """Say in English what is said."""
    await _create(app, exchange, "translate")


async def _create(app: "App", exchange: Exchange, task: Task) -> None:
    caller = app.authenticated(exchange)
    settings = app.settings
    headers = app.upstream_headers(exchange)
    await app.key_check.check(caller, headers)  # nobody without a key fills the disk
    with Recording(app, exchange, settings.data_path) as recording:
        form = await _form(app, exchange, recording, task)
        request = transcription.read(form.listed, task, exchange.notes)
        exchange.model = request.model
        exchange.watch()
        model = await app.aliases.resolve(request.model, caller, headers, exchange.notes)
        family = profile(model)
        sound, seconds = await recording.found(form, caller, headers)
    references = [_reference(given, i) for i, given in enumerate(request.references)]
    plan = transcription.to_gemini(request, family, sound, seconds, references)
    exchange.notes += plan.notes
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)

    async def call(body: Parts) -> Replies:
        key = caller.upstream_key
        if request.streams:
            return await app.client.stream_content(model, body, key=key, headers=headers)
        return WholeReply(await app.client.generate_content(model, body, key=key, headers=headers))

    answering = Answering(plan, call, exchange.notes, None, settings.continuations_max)
    if app.owned is not None:
        await app.owned.check_sent(caller, answering.told)
    heard = Heard(request, in_json=request.timed and not family.transcribes)
    try:
        async with answering:
            if request.streams:
                commitment = Commitment(
                    exchange, commit_seconds=settings.commit_seconds, keep_alive_seconds=settings.keep_alive_seconds
                )
                await _events(exchange, answering, heard, request, seconds, commitment)
            else:
                await _answer(exchange, answering, heard, request, seconds)
    finally:
        if heard.usage is not None:
            exchange.tokens = (heard.usage.prompt, heard.usage.completion)


async def _form(app: "App", exchange: Exchange, recording: Recording, task: Task) -> Form:
    """Read the form; the recording goes to its place while it comes. Raises ApiError."""
    settings = app.settings
    body_bytes_max = settings.file_bytes_max + FORM_BYTES_MAX + transcription.SPEAKERS_MAX * REFERENCE_BYTES_MAX
    exchange.check_length(body_bytes_max)
    exchange.receive_within(settings.upload_receive_seconds)
    return await multipart.read(
        exchange.pieces(body_bytes_max),
        exchange.headers.get(b"content-type", b""),
        file_field="file",
        file_bytes_max=settings.file_bytes_max,
        take=recording.write,
        check=lambda form: _check_what_is_known(form, task),
        field_bytes_max=REFERENCE_BYTES_MAX,
    )


async def _answer(
    exchange: Exchange, answering: Answering, heard: Heard, request: TranscriptionRequest, seconds: float
) -> None:
    """Answer with the whole transcript. Raises ApiError."""
    await _open(answering)
    async for events in answering.events():
        for event in events:
            heard.feed(event)
    answer = transcript.answer(heard.transcript(seconds, exchange.notes), request)
    if isinstance(answer, str):
        await exchange.answer(200, answer.encode(), VTT if request.response_format == "vtt" else TEXT)
    else:
        report.attach(exchange, answer)
        await exchange.answer(200, _encode(answer), (JSON,))


async def _events(
    exchange: Exchange,
    answering: Answering,
    heard: Heard,
    request: TranscriptionRequest,
    seconds: float,
    commitment: Commitment,
) -> None:
    """Send the text as it comes, then what is known at the end. Raises ApiError as long as the status is not sent."""
    told = ""
    async with commitment:
        await _open(answering)
        await commitment.commit()
        async for events in answering.events():
            delta = "".join([heard.feed(event) for event in events])
            if delta:
                told += delta
                await commitment.send(_message(TranscriptDelta(delta)))
        found = heard.transcript(seconds, exchange.notes)
        last = [TranscriptDelta(found.text)] if found.text and not told else []
        done = TranscriptDone(found.text, transcript.tokens(found.usage))
        report.attach(exchange, done)
        segments = transcript.diarized(found) if request.response_format == "diarized_json" else ()
        await exchange.send(b"".join(map(_message, [*last, *segments, done])), more=False)


async def _open(answering: Answering) -> None:
    """Make the native call. A refusal that says nothing is of the recording: nothing else of the request may be wrong there."""
    try:
        await answering.open()
    except ApiError as error:
        if says_nothing(error):
            raise InvalidRequest(
                "file cannot be transcribed: Gemini refuses it without a reason, as it does damaged sound.",
                param="file",
                code="invalid_media",
                native=error.native,
            ) from None
        raise


def _message(event: msgspec.Struct) -> bytes:
    return sse.encode(_encode(event))


def _check_what_is_known(form: Form, task: Task) -> None:
    """Refuse wrong fields before the recording is taken, where they stand before it; the official clients send them first."""
    listed = [("model", "not known yet"), *form.listed]
    names = {name for name, _ in listed}
    if not any(name.startswith("known_speaker") for name in names):  # their number is known at the end
        transcription.read(listed, task, [])


def _reference(given: str, index: int) -> Found:
    """Read the sample of a known voice: a data URL of sound. Raises InvalidRequest."""
    path = f"known_speaker_references[{index}]"
    found = _DATA_URL.match(given)
    if found is None:
        raise InvalidRequest(f"{path} is not a data URL: it must begin as in data:audio/wav;base64,", param=path)
    data = memoryview(given[found.end() :].encode())
    reference = inline.found(Source(path, label=found["label"] or "", data=data))
    if not reference.mime_type.startswith(("audio/", "video/")):
        raise InvalidRequest(f"{path} is of type {reference.mime_type}, not sound.", param=path, code="unsupported_media_type")
    return reference
