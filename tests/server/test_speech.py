"""POST /audio/speech, through the whole server: formats that decode, first bytes early, endings, and what is refused."""

import base64
import http.client
import io
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.sound_hearing import EAR_RATE, hear
from pollux.media import audio
from pollux.media.audio import PcmForm, SpeedChanger
from pollux.server.exchange import BrokenOff
from pollux.translate.events import Finish, Media
from pollux.translate.speech_request import CONTENT_TYPES, FORMATS, Spoken
from tests.emulator.sounding import EMOJI, EN, HEBREW, THAI
from tests.judges import openai_document, playing, shared
from tests.media.studio import hertz_of, tone
from tests.server.asking import Pollux, ask, pollux, send_on
from tests.server.calling import reply
from tests.server.fake import Conversation, FakeUpstream

PATH = "/v1/audio/speech"
MODEL = "gemini-3.8-flash-tts"
HALF_SECOND = tone(0.5)

CONTAINERS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac", "wav": "wav"}
LOSSLESS = {"flac", "wav", "pcm"}
"""In the others a word of the emulator's may get lost, as its README says."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server before the emulator."""
    with (
        EmulatorServer(Emulator()) as upstream,
        pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path_factory.mktemp("data"))) as running,
    ):
        yield running


def say(server: Pollux, text: str, **more: Any) -> Any:
    """Ask for a speech."""
    return ask(server.url, PATH, json={"model": MODEL, "input": text, "voice": "Kore"} | more)


def samples(sound: bytes, name: str) -> "tuple[array[int], float]":
    """Decode a file of a format, with nothing of ours, to samples for the emulator's ear; and how long it sounds."""
    data = sound if name != "pcm" else audio.wav(sound, PcmForm())
    heard = array("h")
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        assert container.format.name == CONTAINERS.get(name, "wav")
        assert stream.rate == (48_000 if name == "opus" else 24_000)
        resampler = av.AudioResampler("s16", "mono", EAR_RATE)
        for frame in container.decode(stream):
            for one in resampler.resample(frame):
                heard.frombytes(bytes(one.planes[0])[: one.samples * 2])
    return heard, len(heard) / EAR_RATE


def spoken(pcm: bytes) -> dict[str, Any]:
    """Make a native part of a piece of sound."""
    return {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": base64.b64encode(pcm).decode()}}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", [EN, THAI, HEBREW, EMOJI], ids=["english", "thai", "hebrew", "emoji"])
def test_what_was_said_is_heard_in_every_format(server: Pollux, text: str, name: str) -> None:
    """Each file is decoded, has its type and rate, and sounds as long as the raw samples; the lossless ones keep every word."""
    answer = say(server, text, response_format=name)
    plain = say(server, text, response_format="pcm")
    heard, seconds = samples(answer.body, name)

    assert answer.status == 200
    assert answer.headers["content-type"] == CONTENT_TYPES[FORMATS[name]]
    assert hear(heard).text == text or name not in LOSSLESS
    assert seconds == pytest.approx(len(plain.body) / 48_000, abs=0.12)


def test_mp3_is_the_default_and_openai_s_voices_are_reported(server: Pollux) -> None:
    """As at OpenAI; the voice that stands for one of its is a loss."""
    answer = say(server, EN, voice="alloy")

    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-pollux-losses"] == "voice=approximated"
    assert samples(answer.body, "mp3")[1] > 3


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.5, 4.0])
@pytest.mark.parametrize("name", ["mp3", "wav", "pcm"])
def test_speed_changes_the_length(server: Pollux, name: str, speed: float) -> None:
    """By its factor."""
    usual = samples(say(server, EN, response_format=name).body, name)[1]
    changed = samples(say(server, EN, response_format=name, speed=speed).body, name)[1]

    assert changed == pytest.approx(usual / speed, rel=0.05, abs=0.1)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 20_000), max_size=6), st.sampled_from([0.3, 0.75, 2.5]))
def test_sound_of_another_speed_is_the_same_however_it_was_cut(cuts: list[int], speed: float) -> None:
    """Piece by piece or whole, and a tone keeps its height."""
    pcm, pieces = tone(0.6), []
    for cut in cuts:
        pieces.append(pcm[: 2 * cut])
        pcm = pcm[2 * cut :]
    changing = SpeedChanger(PcmForm(), speed)
    made = b"".join([changing.feed(piece) for piece in [*pieces, pcm]]) + changing.close()

    assert made == audio.at_speed(tone(0.6), PcmForm(), speed)
    assert hertz_of(made) == pytest.approx(hertz_of(tone(0.6)), rel=0.05)


def test_instructions_are_not_read_aloud(server: Pollux) -> None:
    """Several lines of them, as in OpenAI's samples."""
    answer = say(server, EN, instructions="Affect: a gentle teacher.\nTone: warm: very warm.", response_format="flac")

    assert hear(samples(answer.body, "flac")[0]).text == EN


def test_two_speakers_have_two_voices(server: Pollux) -> None:
    """By the names in the text."""
    cast = [
        {"speaker": name, "voice_config": {"prebuilt_voice_config": {"voice_name": voice}}}
        for name, voice in (("Joe", "Puck"), ("Jane", "Leda"))
    ]
    google = {"multi_speaker_voice_config": {"speaker_voice_configs": cast}}
    answer = say(server, "Joe: Hi.\nJane: Hello.", response_format="wav", extra_body={"google": google})
    heard = hear(samples(answer.body, "wav")[0])

    assert [(one.voice, one.text) for one in heard.sentences] == [("Puck", "Hi."), ("Leda", "Hello.")]
    assert answer.headers["x-pollux-losses"] == "voice=ignored"


@pytest.mark.parametrize("name", FORMATS)
def test_events_joined_are_the_file(server: Pollux, name: str) -> None:
    """Each delta decodes by itself; the last event has the tokens; OpenAI's document accepts all of them."""
    whole = say(server, EN, response_format=name)
    streamed = say(server, EN, response_format=name, stream_format="sse")
    *deltas, done = playing.Answer(streamed.status, streamed.headers, streamed.body).messages
    joined = b"".join(base64.b64decode(delta["audio"], validate=True) for delta in deltas)

    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert samples(joined, name) == samples(whole.body, name)
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"] > 0
    if shared.IS_HERE:
        assert [openai_document.validate("SpeechAudioDeltaEvent", delta) for delta in deltas] == [[]] * len(deltas)
        assert openai_document.validate("SpeechAudioDoneEvent", done) == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_bytes_come_before_the_speech_is_over(tmp_path: Path, name: str) -> None:
    """The upstream says the rest only when the caller has the beginning."""
    has_begun = threading.Event()
    with FakeUpstream() as fake, pollux(fake, data_dir=str(tmp_path)) as server:

        def speak(conversation: Conversation) -> None:
            conversation.start()
            for _ in range(4):
                conversation.send(reply(spoken(HALF_SECOND), finish=None))
            assert has_begun.wait(20), "the caller got nothing"
            conversation.send(reply(spoken(HALF_SECOND)))
            conversation.end()

        fake.then(speak)
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        body = {"model": MODEL, "input": "x", "voice": "Kore", "response_format": name}
        send_on(connection, PATH, body=msgspec.json.encode(body))
        answer = connection.getresponse()
        first = answer.read1()
        has_begun.set()
        rest = answer.read()
        connection.close()

    assert first
    assert samples(first + rest, name)[1] == pytest.approx(2.5, abs=0.12)


class Upstream:
    """Streams what stands in `replies`."""

    def __init__(self, tmp_path: Path, *replies: Any) -> None:
        self.http = playing.FakeHttp(lambda _request: playing.as_stream(list(replies), "speech"))
        self.app = playing.server(self.http, data_dir=str(tmp_path))

    async def say(self, **more: Any) -> playing.Answer:
        """Ask for a speech in raw samples."""
        body = {"model": MODEL, "input": "Hello.", "voice": "Kore", "response_format": "pcm"} | more
        return await playing.ask(self.app, "POST", PATH, body)


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize(
    ("replies", "status", "code"),
    [
        ([reply(finish="SAFETY")], 400, "content_policy_violation"),
        ([{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}], 400, "content_policy_violation"),
        ([reply(finish="OTHER")], 502, "upstream_no_sound"),
        ([reply({"text": "I would rather not."})], 502, "upstream_no_sound"),
        ([reply(spoken(b"\0\0"), finish=None)], 502, "upstream_incomplete"),
    ],
    ids=["filter", "blocked", "other", "text", "cut off"],
)
async def test_no_sound_is_an_error_with_the_native_reason(
    tmp_path: Path, replies: list[Any], status: int, code: str, stream_format: str
) -> None:
    """With its status as long as nothing was sent."""
    upstream = Upstream(tmp_path, *replies)
    answer = await upstream.say(stream_format=stream_format)
    error = answer.json["error"] if answer.status != 200 else answer.messages[-1]["error"]

    assert answer.status == (200 if answer.body.startswith(b"data:") else status)
    assert error["code"] == code


async def test_an_odd_end_without_sound_is_tried_once_more(tmp_path: Path) -> None:
    """Models that speak now and then end with OTHER and nothing."""
    upstream = Upstream(tmp_path, reply(finish="OTHER"))
    await upstream.say()

    assert len(upstream.http.sent) == 2


async def test_a_filter_behind_the_first_words_is_no_whole_speech(tmp_path: Path) -> None:
    """The connection is cut, or the last event is an error: half a speech does not look like a whole one."""
    upstream = Upstream(tmp_path, reply(spoken(HALF_SECOND), finish=None), reply(finish="SAFETY"))
    events = (await upstream.say(stream_format="sse")).messages

    with pytest.raises(BrokenOff, match="SAFETY"):
        await upstream.say()
    assert [event.get("type", "error") for event in events] == ["speech.audio.delta", "error"]
    assert events[-1]["error"]["code"] == "content_policy_violation"


async def test_strict_mode_refuses_and_the_report_is_told_in_the_last_event(tmp_path: Path) -> None:
    """Before anything is paid for; where the body is asked for it has the whole list."""
    upstream = Upstream(tmp_path, reply(spoken(HALF_SECOND)))
    body = {"model": MODEL, "input": "Hello.", "voice": "alloy", "response_format": "pcm", "stream_format": "sse"}
    headers = {"authorization": "Bearer k"}
    refused = await playing.ask(upstream.app, "POST", PATH, body, headers | {"x-pollux-strict": "true"})
    sent = len(upstream.http.sent)
    told = await playing.ask(upstream.app, "POST", PATH, body, headers | {"x-pollux-report": "body"})

    assert (refused.status, sent) == (400, 0)
    assert told.messages[-1]["extra_content"]["pollux"]["losses"][0]["code"] == "voice=approximated"


async def test_sound_at_another_rate_is_resampled(tmp_path: Path) -> None:
    """Raw samples are at 24 kHz, whatever the model gives."""
    part = {"inlineData": {"mimeType": "audio/L16;rate=16000", "data": base64.b64encode(tone(1.0, PcmForm(16_000))).decode()}}
    answer = await Upstream(tmp_path, reply(part)).say()

    assert len(answer.body) == pytest.approx(48_000, abs=400)


def test_the_end_of_an_answer_is_told_by_its_events() -> None:
    """A sound and a plain end is a speech."""
    answer = Spoken()
    said = [answer.feed(Media(0, "audio/pcm", "AAAA", None)), answer.feed(Finish(0, "STOP"))]
    answer.check()

    assert said == ["AAAA", ""]


def test_both_bases_and_no_other_method(server: Pollux) -> None:
    """Under /v1 and /v1beta/openai; GET is not possible."""
    body = msgspec.json.encode({"model": MODEL, "input": "Hi.", "voice": "Kore"})
    google = ask(server.url, "/v1beta/openai/audio/speech", body=body)
    got = ask(server.url, PATH, method="GET")

    assert google.status == 200
    assert got.status == 405
