"""POST /audio/transcriptions and /audio/translations, through the whole server: what was said is written down."""

import base64
import http.client
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import msgspec
import pytest

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.sound import Utterance, spoken
from pollux.media import audio
from pollux.media.audio import PcmForm
from tests.emulator.sounding import EMOJI, EN, HEBREW, THAI, encoded
from tests.judges import openai_document, playing, shared
from tests.media.studio import picture, tone, video
from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.calling import reply
from tests.server.sharing import ALICE, BOB, MODES, mode

PATH, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"
MODEL, ASKED = "gemini-3.5-transcribe", "gemini-3.6-flash"
TEXTS = pytest.mark.parametrize("text", [EN, THAI, HEBREW, EMOJI], ids=["english", "thai", "hebrew", "emoji"])
MODELS = pytest.mark.parametrize("model", [MODEL, ASKED])
BOUNDARY = "the-boundary-of-the-tests"
SCHEMAS = {
    "json": "CreateTranscriptionResponseJson",
    "verbose_json": "CreateTranscriptionResponseVerboseJson",
    "diarized_json": "CreateTranscriptionResponseDiarizedJson",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorServer]:
    """The emulator, whose journal says what was sent."""
    with EmulatorServer(Emulator()) as running:
        yield running


@pytest.fixture(scope="module")
def server(upstream: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server before the emulator."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def said(*texts: str, voices: tuple[int, ...] = (3,)) -> bytes:
    """Say texts in the emulator's sound, each in the next voice."""
    return b"".join(spoken([Utterance(text, voices[i % len(voices)]) for i, text in enumerate(texts)]))


def wav(*texts: str, voices: tuple[int, ...] = (3,)) -> bytes:
    """Say texts in a WAV file."""
    return audio.wav(said(*texts, voices=voices), PcmForm())


def form(file: bytes | None, fields: list[tuple[str, str]], filename: str = "speech.wav", kind: str = "audio/x-wav") -> bytes:
    """Write a form as the official clients do: fields first."""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields
    ]
    if file is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        pieces += [head.encode(), f"Content-Type: {kind}\r\n\r\n".encode(), file, b"\r\n"]
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])


HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def listen(
    server: Pollux,
    file: bytes | None,
    *more: tuple[str, str],
    path: str = PATH,
    model: str = MODEL,
    headers: dict[str, str] | None = None,
    **fields: str,
) -> Answer:
    """Send a recording."""
    listed = [("model", model), *fields.items(), *more]
    return ask(server.url, path, body=form(file, listed), headers=HEADERS | (headers or {}))


def events(answer: Answer) -> list[Any]:
    """Give the events of a streamed answer."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return playing.Answer(answer.status, answer.headers, answer.body).messages


def judged(form_name: str, answer: Answer) -> Any:
    """Give a good answer, which OpenAI's document accepts."""
    assert answer.status == 200, answer.body
    if shared.IS_HERE:
        assert openai_document.validate(SCHEMAS[form_name], answer.json) == []
    return answer.json


@TEXTS
@MODELS
def test_what_was_said_is_written_down(server: Pollux, model: str, text: str) -> None:
    """By the transcription model, and by one that is asked; with tokens that add up, those of the sound among them."""
    told = judged("json", listen(server, wav(text), model=model))
    usage = told["usage"]

    assert told["text"] == text
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == sum(usage["input_token_details"].values())
    assert usage["input_token_details"]["audio_tokens"] > 25 * len(said(text)) / 48_000 - 2


@TEXTS
@pytest.mark.parametrize("to", ["wav", "flac", "pcm"])
def test_what_the_server_says_it_hears(server: Pollux, to: str, text: str) -> None:
    """A round trip through both endpoints. Raw samples are known by their label."""
    body = {"model": "gemini-3.8-flash-tts", "voice": "Leda", "input": text, "response_format": to}
    speech = ask(server.url, "/v1/audio/speech", json=body)
    kind = speech.headers["content-type"]
    heard = ask(server.url, PATH, body=form(speech.body, [("model", MODEL)], f"speech.{to}", kind), headers=HEADERS)

    assert heard.json["text"] == text


@TEXTS
@MODELS
def test_verbose_answers_have_segments_and_words(server: Pollux, model: str, text: str) -> None:
    """In order, within the duration; the words are those of the text."""
    granularities = [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]
    sound = wav(text, "And then?")
    told = judged("verbose_json", listen(server, sound, *granularities, model=model, response_format="verbose_json"))
    times = [(one["start"], one["end"]) for one in told["words"]]

    assert told["duration"] == pytest.approx(len(sound) / 48_000, abs=0.01)
    assert [one["word"] for one in told["words"]] == told["text"].split()
    assert times == sorted(times)
    assert all(start <= end <= told["duration"] for start, end in times)
    assert "".join("".join(one["text"] for one in told["segments"]).split()) == "".join(told["text"].split())
    assert told["segments"][0]["end"] <= told["segments"][1]["start"]
    assert told["usage"] == {"type": "duration", "seconds": -(-len(sound) // 48_000)}


@MODELS
def test_speakers_are_told_apart(server: Pollux, model: str) -> None:
    """A, B, and A again."""
    sound = wav("How are you?", "Fine, thanks. And you?", "Good!", voices=(3, 1))
    told = judged("diarized_json", listen(server, sound, model=model, response_format="diarized_json"))

    assert [(one["speaker"], one["text"]) for one in told["segments"]] == [
        ("A", "How are you?"),
        ("B", "Fine, thanks."),
        ("B", "And you?"),
        ("A", "Good!"),
    ]


@MODELS
@pytest.mark.parametrize(("name", "kind", "comma"), [("srt", "text/plain", ","), ("vtt", "text/vtt", ".")])
def test_subtitles_are_subtitles(server: Pollux, model: str, name: str, kind: str, comma: str) -> None:
    """FFmpeg reads them: the same texts at the same times."""
    answer = listen(server, wav("One. Two <b>&</b>!", THAI), model=model, response_format=name)
    with av.open(io.BytesIO(answer.body), "r", format={"srt": "srt", "vtt": "webvtt"}[name]) as container:
        packets = [packet for packet in container.demux() if packet.size]
    first = re.search(rf"00:00:(\d\d){comma}(\d\d\d) --> ", answer.body.decode())

    assert answer.headers["content-type"].startswith(kind)
    assert len(packets) == 3
    assert bytes(packets[2]).decode() == THAI
    assert first is not None
    assert float((packets[0].pts or 0) * packets[0].time_base) == float(f"{first[1]}.{first[2]}")


@MODELS
def test_text_is_a_text(server: Pollux, model: str) -> None:
    """And nothing else."""
    answer = listen(server, wav(EN), model=model, response_format="text")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == f"{EN}\n"


@MODELS
@TEXTS
@pytest.mark.parametrize("name", ["json", "text", "diarized_json"])
def test_a_stream_is_the_whole(server: Pollux, name: str, text: str, model: str) -> None:
    """The deltas joined are the text of the last event, which the whole answer has; speakers come in events of their own."""
    sound = wav(text, "Yes!", voices=(3, 1))
    *told, done = events(listen(server, sound, model=model, response_format=name, stream="true"))
    whole = listen(server, sound, model=model, response_format=name)
    deltas = [event["delta"] for event in told if event["type"] == "transcript.text.delta"]
    segments = [event for event in told if event["type"] == "transcript.text.segment"]

    assert "".join(deltas).strip() == done["text"] == (whole.body.decode().strip() if name == "text" else whole.json["text"])
    assert segments == (whole.json["segments"] if name == "diarized_json" else [])
    assert done["type"] == "transcript.text.done"
    assert done["usage"]["type"] == "tokens"
    if shared.IS_HERE:
        judged_events = [openai_document.validate("CreateTranscriptionResponseStreamEvent", one) for one in (*told, done)]
        assert not any(judged_events)


def test_forms_of_whisper_are_told_whole(server: Pollux) -> None:
    """A stream of subtitles is none at OpenAI either; the report says so."""
    answer = listen(server, wav(EN), response_format="vtt", stream="true")

    assert answer.body.startswith(b"WEBVTT\n\n")
    assert answer.headers["x-pollux-losses"] == "stream=ignored"


@pytest.mark.parametrize("name", ["json", "text", "srt", "vtt", "verbose_json"])
def test_a_translation_comes_in_every_form(server: Pollux, name: str) -> None:
    """From a model that is asked. The emulator knows no languages: it says what it heard."""
    answer = listen(server, wav(THAI), path=TRANSLATIONS, model=ASKED, response_format=name)
    told = msgspec.json.decode(answer.body)["text"] if name.endswith("json") else answer.body.decode()

    assert answer.status == 200
    assert THAI in told
    if name == "verbose_json":
        assert (answer.json["task"], answer.json["language"]) == ("translate", "english")
    if shared.IS_HERE and name.endswith("json"):
        schema = "CreateTranslationResponseVerboseJson" if name == "verbose_json" else "CreateTranslationResponseJson"
        assert openai_document.validate(schema, answer.json) == []


@pytest.mark.parametrize(
    ("codec", "container", "rate"),
    [
        ("flac", "flac", 16_000),
        ("pcm_s16be", "aiff", 24_000),
        ("libopus", "webm", 48_000),
        ("alac", "ipod", 24_000),
        ("pcm_s24le", "wav", 48_000),
    ],
)
def test_sound_comes_in_any_container(server: Pollux, codec: str, container: str, rate: int) -> None:
    """Known by its bytes: the label lies."""
    sound = encoded(said(EN), codec, container, rate)
    body = form(sound, [("model", MODEL)], "speech.txt", "text/plain")
    answer = ask(server.url, PATH, body=body, headers=HEADERS)

    assert answer.status == 200, answer.body


def test_of_a_video_the_sound_is_sent(server: Pollux, upstream: EmulatorServer) -> None:
    """As FLAC: the pictures would cost tokens."""
    upstream.emulator.journal.clear()
    answer = listen(server, video(1.0))
    sent = upstream.emulator.journal.entries()[-1]["body"]["contents"][0]["parts"][0]["inlineData"]

    assert answer.status == 200, answer.body
    assert sent["mimeType"] == "audio/flac"


@pytest.mark.parametrize("model", [MODEL, ASKED])
def test_a_large_recording_goes_through_the_files_api(upstream: EmulatorServer, tmp_path: Path, model: str) -> None:
    """Twice the same is uploaded once."""
    upstream.emulator.journal.clear()
    settings: dict[str, Any] = {"upstream": "emulator", "inline_bytes_max": 1000, "data_dir": str(tmp_path)}
    with pollux(upstream.url, **settings) as server:
        told = [listen(server, wav(EN) + bytes(2_000_000), model=model, response_format="json") for _ in range(2)]
    methods = [entry["native_method"] for entry in upstream.emulator.journal.entries()]
    sent = upstream.emulator.journal.entries()[-1]["body"]["contents"][0]["parts"][-1]

    assert [answer.json.get("text") for answer in told] == [EN, EN]
    assert sent["fileData"]["mimeType"] == "audio/wav"
    assert methods.count("generateContent") == 2
    assert list(tmp_path.glob("tmp*")) == []


@pytest.mark.parametrize("name", MODES)
def test_large_recordings_of_two_owners_are_kept_apart(upstream: EmulatorServer, tmp_path: Path, name: str) -> None:
    """The same recording of another caller is uploaded for that one; each copy is its owner's, so both are heard."""
    upstream.emulator.journal.clear()
    with mode(name, upstream.url, tmp_path, inline_bytes_max=1000) as server:
        body = form(wav(EN), [("model", MODEL)])
        told = [ask(server.url, PATH, body=body, headers=HEADERS, key=key).json for key in (ALICE, BOB, ALICE)]
    sent = [entry["body"] for entry in upstream.emulator.journal.entries() if entry["native_method"] == "generateContent"]
    uris = [body["contents"][0]["parts"][0]["fileData"]["fileUri"] for body in sent]

    assert [answer.get("text") for answer in told] == [EN, EN, EN]
    assert uris[0] == uris[2] != uris[1]


MP4_WITHOUT_AN_INDEX = b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x08mdat" + bytes(1000)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", "empty_file"),
        (picture(), "unsupported_media_type"),
        (b"This is not sound.", "unsupported_media_type"),
        (bytes(range(256)) * 8, "invalid_media"),
        (MP4_WITHOUT_AN_INDEX, "invalid_media"),
        (wav(EN)[:40], "invalid_media"),
        (encoded(tone(1.0), "flac", "flac")[:60], "invalid_media"),
        (encoded(said(EN), "flac", "flac")[:30_000], "invalid_media"),
        (video(1.0)[:1000], "invalid_media"),
        (None, "missing_required_parameter"),
    ],
    ids=["empty", "picture", "text", "noise", "mp4 cut", "wav cut", "flac head", "flac cut", "video cut", "missing"],
)
def test_what_is_no_sound_is_refused_by_its_name(server: Pollux, file: bytes | None, code: str) -> None:
    """The error names the field."""
    answer = listen(server, file)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("file", code)


def test_silence_is_an_empty_text_in_one_call(server: Pollux, upstream: EmulatorServer) -> None:
    """Nobody spoke: nothing to try again."""
    upstream.emulator.journal.clear()
    answer = listen(server, audio.wav(bytes(48_000), PcmForm()), response_format="verbose_json")

    assert (answer.json["text"], answer.json["segments"], answer.json["duration"]) == ("", [], 1.0)
    assert len(upstream.emulator.journal.entries()) == 1


def test_a_recording_too_long_for_times_is_refused_before_it_is_sent(server: Pollux, upstream: EmulatorServer) -> None:
    """Half an hour with times; without, it is taken."""
    upstream.emulator.journal.clear()
    long = audio.encode(bytes(2 * 8_000 * 31 * 60), PcmForm(8_000), "flac")
    refused = listen(server, long, response_format="srt")
    calls = len(upstream.emulator.journal.entries())

    assert (refused.status, refused.error["param"], refused.error["code"]) == (400, "file", "media_too_large")
    assert "31 minutes" in refused.error["message"]
    assert calls == 0


def test_a_declared_three_gigabytes_are_refused_at_once(server: Pollux) -> None:
    """Before a byte of them is read."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    connection.putrequest("POST", PATH)
    for name, value in (HEADERS | {"authorization": f"Bearer {KEY}", "content-length": "3221225472"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status == 413


def test_wrong_fields_are_refused_before_the_recording_is_read(server: Pollux) -> None:
    """The official clients send them first."""
    whole = form(wav(EN), [("response_format", "xml"), ("model", MODEL)])

    def pieces() -> Iterator[bytes]:
        yield whole[:2000]
        yield b"x" * 1000  # the server may have answered already; nothing of this is read as sound

    answer = ask(server.url, PATH, body=pieces(), headers=HEADERS)

    assert (answer.status, answer.error["param"]) == (400, "response_format")


def test_losses_are_reported_in_the_body_too(server: Pollux) -> None:
    """And strict mode refuses."""
    headers = {"x-pollux-report": "body"}
    told = listen(server, wav(EN), ("include[]", "logprobs"), ("chunking_strategy", "auto"), headers=headers)
    refused = listen(server, wav(EN), ("include[]", "logprobs"), headers={"x-pollux-strict": "true"})

    assert told.headers["x-pollux-losses"] == "include=ignored, chunking_strategy=ignored"
    assert [one["code"] for one in told.json["extra_content"]["pollux"]["losses"]] == [
        "include=ignored",
        "chunking_strategy=ignored",
    ]
    assert (refused.status, refused.error["code"]) == (400, "strict_mode")


def test_known_voices_are_sent_to_a_model_that_is_asked(server: Pollux) -> None:
    """As data URLs; one that is none is refused by its place. What is sent stands in the pairs."""
    sample = "data:audio/wav;base64," + base64.b64encode(wav("Hello.") + bytes(2_000_000)).decode()
    fields = [("known_speaker_names[]", "agent"), ("known_speaker_references[]", sample)]
    answer = listen(server, wav(EN), *fields, model=ASKED, response_format="diarized_json")
    wrong = listen(server, wav(EN), fields[0], ("known_speaker_references[]", "data:,x"), response_format="diarized_json")

    assert answer.status == 200
    assert (wrong.status, wrong.error["param"]) == (400, "known_speaker_references[0]")


async def played(tmp_path: Path, native: Any, **fields: str) -> playing.Answer:
    """Ask with this native answer."""
    whole = playing.Played(msgspec.json.encode(native))
    http_client = playing.FakeHttp(lambda request: playing.as_stream([native], "x") if ":stream" in request.url else whole)
    app = playing.server(http_client, data_dir=str(tmp_path))
    body = form(wav("Hi."), [("model", ASKED), *fields.items()])
    return await playing.ask(app, "POST", PATH, msgspec.Raw(body), HEADERS | {"authorization": "Bearer k"})


@pytest.mark.parametrize(
    ("native", "fields", "status", "code"),
    [
        (reply(finish="SAFETY"), {}, 400, "content_policy_violation"),
        ({"promptFeedback": {"blockReason": "OTHER"}}, {}, 400, "content_policy_violation"),
        (reply({"text": "Sorry, I cannot."}), {"response_format": "srt"}, 502, "upstream_malformed"),
    ],
    ids=["filter", "blocked", "no json"],
)
async def test_no_transcript_is_an_error(tmp_path: Path, native: Any, fields: dict[str, str], status: int, code: str) -> None:
    """With the native reason, never an empty text."""
    answer = await played(tmp_path, native, **fields)
    streamed = await played(tmp_path, native, stream="true", **fields)
    error = streamed.messages[-1]["error"] if streamed.body.startswith(b"data:") else streamed.json["error"]

    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert error["code"] == code
