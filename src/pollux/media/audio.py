"""Sound: raw samples into the formats that OpenAI's clients ask for, and any sound into samples.

The models speak raw samples: 16 bits, little-endian, mostly one channel at 24 kHz. `encode` makes a whole file of them,
`SoundEncoder` one that grows while the samples come.
"""

import io
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from pollux.errors import UnusableMedia
from pollux.media.containers import check_codec, check_length, demuxer, opened
from pollux.media.limits import PCM_BYTES_MAX, SECONDS_MAX, too_large

if TYPE_CHECKING:
    import av
    import av.audio.stream
    import av.container

SoundFormat = Literal["wav", "pcm16", "mp3", "flac", "opus", "aac"]

SAMPLE_BYTES = 2

MODELS_RATE = 24_000
"""The samples per second of OpenAI's raw sound, and of the models'."""

MODELS_EAR_RATE = 16_000
"""The rate at which the models hear. Source: Gemini API, Audio understanding."""

RATES = range(4_000, 192_001)


class PcmForm(Struct, frozen=True):
    """The form of raw samples: 16 bits, little-endian, channels in turn."""

    rate: int = MODELS_RATE
    channels: int = 1

    @property
    def frame_bytes(self) -> int:
        """The bytes of one moment: a sample of each channel."""
        return SAMPLE_BYTES * self.channels

    def seconds(self, pcm: bytes) -> float:
        """Say how long some samples sound."""
        return len(pcm) / self.frame_bytes / self.rate


class _Encoding(Struct, frozen=True):
    muxer: str
    codec: str
    bit_rate: int | None
    rates: tuple[int, ...]
    options: dict[str, str]


_ENCODINGS: dict[str, _Encoding] = {
    "mp3": _Encoding("mp3", "libmp3lame", 64_000, (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000), {}),
    "flac": _Encoding("flac", "flac", None, (), {}),
    "opus": _Encoding("ogg", "libopus", 32_000, (8_000, 12_000, 16_000, 24_000, 48_000), {"page_duration": "100000"}),
    "aac": _Encoding(
        "adts",
        "aac",
        64_000,
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000),
        {},
    ),
}
"""How each format is made: FFmpeg's container and codec, bits per second of one channel (speech is plain at that), the rates
that the codec takes, and the container's options: an Ogg page is sent every 0.1 s."""

MIME_TYPES: dict[str, str] = {
    "wav": "audio/wav",
    "pcm16": "audio/pcm",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "aac": "audio/aac",
}

_L16 = re.compile(r"audio/(?:l16|pcm|x-pcm|raw)\s*(?:;|$)", re.IGNORECASE)
_PARAMETER = re.compile(r";\s*(rate|channels)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


def pcm_form(mime_type: str) -> PcmForm | None:
    """Read the form of raw samples from a MIME type such as `audio/L16;codec=pcm;rate=24000`; None when it is none.

    Source: Gemini API, Speech generation; recorded answers. The registered type is big-endian; the models' samples are not.
    """
    if _L16.match(mime_type) is None:
        return None
    given = {name.lower(): int(value) for name, value in _PARAMETER.findall(mime_type)}
    form = PcmForm(given.get("rate", MODELS_RATE), given.get("channels", 1))
    if form.rate not in RATES or form.channels not in {1, 2}:
        raise UnusableMedia(f"There are no raw samples of the form {mime_type[:100]!r}.")
    return form


def wav(pcm: bytes, form: PcmForm) -> bytes:
    """Put a header before raw samples."""
    return _wav_header(len(pcm), form) + pcm


def encode(pcm: bytes, form: PcmForm, to: SoundFormat) -> bytes:
    """Give a whole file of raw samples."""
    if len(pcm) > PCM_BYTES_MAX:
        raise too_large(f"The sound has more than {PCM_BYTES_MAX:,} bytes of samples.")
    match to:
        case "pcm16":
            return resample(pcm, form, PcmForm()) if form != PcmForm() else pcm
        case "wav":
            return wav(pcm, form)
        case _:
            growing = _Growing(form, _ENCODINGS[to], io.BytesIO())
            growing.feed(pcm)
            growing.close()
            return bytes(growing.file.getvalue())


class SoundEncoder:
    """Encodes samples as they come: each piece fed gives the bytes that are ready.

    What has come out, joined, is a whole file; where a format's header wants the length (WAV), it says "unknown".
    """

    def __init__(self, form: PcmForm, to: SoundFormat) -> None:
        self._form = form
        self._to = to
        self._rest = b""
        self._begun = False
        self._growing = _Growing(form, _ENCODINGS[to], _Outlet()) if to in _ENCODINGS else None
        self._resampling = _Resampling(form, PcmForm()) if to == "pcm16" and form != PcmForm() else None

    def feed(self, pcm: bytes) -> bytes:
        """Take samples, in pieces of any size."""
        whole = len(self._rest) + len(pcm)
        whole -= whole % self._form.frame_bytes
        samples, self._rest = (self._rest + pcm)[:whole], (self._rest + pcm)[whole:]
        if self._growing is not None:
            self._growing.feed(samples)
            return bytes(self._growing.file.take())
        head = b"" if self._to == "pcm16" or self._begun else _wav_header(None, self._form)
        self._begun = True
        return head + (samples if self._resampling is None else self._resampling.feed(samples))

    def close(self) -> bytes:
        """Give the last bytes."""
        if self._growing is not None:
            self._growing.close()
            return bytes(self._growing.file.take())
        return b"" if self._resampling is None else self._resampling.close()


def decode(data: bytes, rate: int = MODELS_RATE, *, seconds_max: float | None = None) -> bytes:
    """Give the sound of any file, also of a video, as raw samples: 16 bits, one channel.

    Raises UnusableMedia when there is none, when it is damaged, or longer than `seconds_max`.
    """
    pieces: list[bytes] = []
    bytes_max = min(PCM_BYTES_MAX, int((seconds_max or SECONDS_MAX) * rate) * SAMPLE_BYTES)
    total = 0
    for piece in _decoded(data, PcmForm(rate)):
        total += len(piece)
        if total > bytes_max:
            raise too_large(f"The sound is longer than {bytes_max / SAMPLE_BYTES / rate:g} seconds.")
        pieces.append(piece)
    if not total:
        raise UnusableMedia("There is no sound in it.")
    return b"".join(pieces)


def soundtrack(data: bytes) -> bytes:
    """Give the sound of any file, also of a video, as FLAC for models that listen: one channel at 16 kHz."""
    return encode(decode(data, MODELS_EAR_RATE), PcmForm(MODELS_EAR_RATE), "flac")


def duration(data: bytes) -> float:
    """Say how long a sound is, in seconds, by what is really in it: it is read through, not decoded."""
    import av

    with opened(data, "sound") as container:
        stream = _sound_of(container)
        ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        length = ticks * (stream.time_base or 0) or (container.duration or 0) / av.time_base
        if not length:
            raise UnusableMedia("There is no sound in it.")
        check_length(float(length), "sound")
        return float(length)


def at_speed(pcm: bytes, form: PcmForm, speed: float) -> bytes:
    """Give the same words in the same voice, faster or slower: 0.25 to 4 times."""
    if speed == 1 or not pcm:
        return pcm
    changing = SpeedChanger(form, speed)
    return changing.feed(pcm) + changing.close()


class SpeedChanger:
    """Makes sound faster or slower as it comes, in the same voice: 0.25 to 4 times."""

    def __init__(self, form: PcmForm, speed: float) -> None:
        import av

        if not 0.25 <= speed <= 4:
            raise UnusableMedia("speed must be between 0.25 and 4.")
        self._form = form
        self._at = 0
        self._rest = b""
        graph = av.filter.Graph()
        last: Any = graph.add_abuffer(format="s16", sample_rate=form.rate, layout=_layout(form), time_base=_tick(form))
        self._first = last
        for factor in (0.5, speed * 2) if speed < 0.5 else (speed,):  # one filter goes down to a half
            following = graph.add("atempo", str(factor))
            last.link_to(following)
            last = following
        self._sink: Any = graph.add("abuffersink")
        last.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def feed(self, pcm: bytes) -> bytes:
        """Take samples, in pieces of any size; give what is ready. How they were cut changes nothing."""
        size = SPEED_FRAME_SAMPLES * self._form.frame_bytes
        given = self._rest + pcm
        whole = len(given) - len(given) % size
        self._rest = given[whole:]
        return b"".join([self._pushed(given[at : at + size]) for at in range(0, whole, size)])

    def close(self) -> bytes:
        """Give the rest."""
        last = b""
        if len(self._rest) >= self._form.frame_bytes:
            last = self._pushed(self._rest.ljust(SHORTEST_FRAME_SAMPLES * self._form.frame_bytes, b"\0"))
        if not self._at:
            return last
        self._first.push(None)
        return last + b"".join(_pulled(self._sink))

    def _pushed(self, pcm: bytes) -> bytes:
        pieces: list[bytes] = []
        for frame in _frames(pcm, self._form, self._at):
            self._at += frame.samples
            self._first.push(frame)
            pieces += _pulled(self._sink)
        return b"".join(pieces)


SPEED_FRAME_SAMPLES = 2_400
"""Samples whose speed is changed at a time: 0.1 s, so that the first bytes come early."""

SHORTEST_FRAME_SAMPLES = 16
"""The filter fails on so few samples that none is left of them; some silence is added to a shorter end."""


def resample(pcm: bytes, form: PcmForm, to: PcmForm) -> bytes:
    """Give samples at another rate or with other channels."""
    resampling = _Resampling(form, to)
    return resampling.feed(pcm) + resampling.close()


def is_sound(data: bytes) -> bool:
    """Say whether bytes begin as a sound or a video that can be opened here."""
    return demuxer(data) is not None


def _pulled(sink: Any) -> Iterator[bytes]:
    import av

    while True:
        try:
            yield _samples(sink.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _wav_header(length: int | None, form: PcmForm) -> bytes:
    """Give the 44 bytes before the samples; a length that is not known yet is the largest."""
    riff, data = (0xFFFFFFFF, 0xFFFFFFFF) if length is None else (length + 36, length)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        1,
        form.channels,
        form.rate,
        form.rate * form.frame_bytes,
        form.frame_bytes,
        16,
        b"data",
        data,
    )


class _Outlet:
    """Where a growing file is written: only forward, and what is written is taken away."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _Growing:
    """A file that grows as samples are fed."""

    def __init__(self, form: PcmForm, encoding: _Encoding, file: Any) -> None:
        import av  # large: loaded with the first sound

        av.logging.set_level(None)
        self.file = file
        self._form = form
        self._at = 0
        rate = min((rate for rate in encoding.rates if rate >= form.rate), default=max(encoding.rates, default=form.rate))
        seekable = isinstance(file, io.BytesIO)
        options = {**encoding.options, "flush_packets": "1"}
        if encoding.muxer == "mp3" and not seekable:
            options["write_xing"] = "0"  # its place at the head cannot be filled in later
        self._container = av.open(file, "w", format=encoding.muxer, options=options)
        self._stream: av.audio.stream.AudioStream = self._container.add_stream(encoding.codec, rate=rate)  # type: ignore[assignment] # it is sound
        self._stream.layout = _layout(form)
        if encoding.bit_rate is not None:
            self._stream.bit_rate = encoding.bit_rate * form.channels
        formats: list[Any] = list(self._stream.codec_context.codec.audio_formats or ())
        self._resampler = av.AudioResampler(
            format="s16" if any(one.name == "s16" for one in formats) else formats[0], layout=_layout(form), rate=rate
        )

    def feed(self, pcm: bytes) -> None:
        for frame in _frames(pcm, self._form, self._at):
            self._at += frame.samples
            self._encode(frame)

    def close(self) -> None:
        self._encode(None)
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()

    def _encode(self, frame: "av.AudioFrame | None") -> None:
        for resampled in self._resampler.resample(frame):
            for packet in self._stream.encode(resampled):
                self._container.mux(packet)


class _Resampling:
    """Samples into another form, piece by piece."""

    def __init__(self, form: PcmForm, to: PcmForm) -> None:
        import av

        self._form = form
        self._at = 0
        self._resampler = av.AudioResampler(format="s16", layout=_layout(to), rate=to.rate)

    def feed(self, pcm: bytes) -> bytes:
        pieces: list[bytes] = []
        for frame in _frames(pcm, self._form, self._at):
            self._at += frame.samples
            pieces += [_samples(one) for one in self._resampler.resample(frame)]
        return b"".join(pieces)

    def close(self) -> bytes:
        return b"".join([_samples(one) for one in self._resampler.resample(None)]) if self._at else b""


FRAME_SAMPLES = 24_000
"""Samples that are encoded at a time."""


def _frames(pcm: bytes, form: PcmForm, at: int) -> "Iterator[av.AudioFrame]":
    """Give samples as frames; `at` is where the first of them stands."""
    import av

    size = FRAME_SAMPLES * form.frame_bytes
    whole = len(pcm) - len(pcm) % form.frame_bytes
    for start in range(0, whole, size):
        piece = memoryview(pcm)[start : min(start + size, whole)]
        frame = av.AudioFrame(format="s16", layout=_layout(form), samples=len(piece) // form.frame_bytes)
        frame.sample_rate = form.rate
        frame.time_base = _tick(form)
        frame.pts = at + start // form.frame_bytes
        frame.planes[0].update(_padded(piece, frame.planes[0].buffer_size))
        yield frame


def _padded(piece: memoryview, size: int) -> bytes:
    return bytes(piece) + bytes(size - len(piece))


def _samples(frame: "av.AudioFrame") -> bytes:
    """Give a frame's samples; its plane may be longer than they are."""
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES * frame.layout.nb_channels]


def _decoded(data: bytes, form: PcmForm) -> Iterator[bytes]:
    import av

    with opened(data, "sound") as container:
        stream = _sound_of(container)
        resampler = av.AudioResampler(format="s16", layout=_layout(form), rate=form.rate)
        good = False
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                if not good:
                    raise
                continue  # a broken packet among good ones, as players do
            for frame in frames:
                good = True
                for resampled in resampler.resample(frame):
                    yield _samples(resampled)
        if good:
            for resampled in resampler.resample(None):
                yield _samples(resampled)


def _sound_of(container: "av.container.InputContainer") -> "av.audio.stream.AudioStream":
    if not container.streams.audio:
        raise UnusableMedia("There is no sound in it.")
    stream = container.streams.audio[0]
    check_codec(stream)
    return stream


def _layout(form: PcmForm) -> str:
    return "mono" if form.channels == 1 else "stereo"


def _tick(form: PcmForm) -> Any:
    from fractions import Fraction

    return Fraction(1, form.rate)
