"""Make and change sounds in tests: other rates, containers and codecs, and back to samples."""

import io
from array import array
from typing import Any

import av

from pollux.emulator.sound import RATE

EN = "Ruby is a programming language designed for developer happiness."
THAI = "สวัสดีครับ ยินดีต้อนรับสู่ประเทศไทย"
HEBREW = "שלום עולם, מה שלומך היום?"
EMOJI = "Hi 👋🏽 👨‍👩‍👧‍👦 there… naïve café?\nA second line!"
LONG = ("Every sentence of this text is said; and heard. " * 60)[:2000]

TEXTS = (EN, THAI, HEBREW, EMOJI, LONG)


def encoded(pcm: bytes, codec: str, container: str, rate: int = RATE, bit_rate: int | None = None) -> bytes:
    """Write bare samples into a file of this kind."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate, frame.pts = RATE, 0
        frame.planes[0].update(pcm)
        resampler, fifo = av.AudioResampler(stream.format.name, "mono", rate), av.AudioFifo()
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            fifo.write(piece)
        while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def samples_of(data: bytes) -> "array[int]":
    """Read 16-bit little-endian samples."""
    samples = array("h")
    samples.frombytes(data)
    return samples
