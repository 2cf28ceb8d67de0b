"""Bytes that mean ill: bombs, scripts, disguises, torn and changed files. Only our errors come out, soon, in little memory."""

import contextlib
import io
import resource
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.errors import UnusableMedia
from pollux.media import audio, containers, images, video
from tests.media.studio import picture, png_header, tone
from tests.media.studio import video as made_video

READERS: tuple[Callable[[bytes], Any], ...] = (
    images.header,
    lambda data: images.convert(data, "png"),
    audio.duration,
    audio.decode,
    video.header,
    video.thumbnail,
    lambda data: video.spritesheet(data, 2, 2, 32),
)


def _gif_bomb() -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0)
        + bytes(6)
        + b","
        + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0)
        + b"\x02\x02\x4c\x01\x00;"
    )


def _video_of_centuries() -> bytes:
    """Give a WebM whose header says so."""
    data = made_video(0.5, container="webm", codec="libvpx-vp9")
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", 1e13) + data[at + 8 :]


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    return file.getvalue()


BAD = {
    "nothing": b"",
    "one byte": b"\x00",
    "a PNG of 100,000 by 100,000": png_header(100_000, 100_000),
    "a PNG of 2,000,000,000 by 1": png_header(2_000_000_000, 1),
    "a PNG without pixels": png_header(0, 10),
    "a GIF of 65,535 by 65,535": _gif_bomb(),
    "a JPEG's first bytes": b"\xff\xd8\xff\xe0",
    "an SVG with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "a playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n",
    "a playlist behind a sound's tag": b"ID3\x03\x00\x00\x00\x00\x00\x00#EXTM3U\nfile:///etc/passwd\n",
    "a script of FFmpeg": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a description of a stream": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "a manifest": b"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>",
    "an archive": _zip(),
    "noise that begins like MP3": b"\xff\xfb\x90\x00" + bytes(range(256)) * 40,
    "noise that begins like Ogg": b"OggS" + bytes(range(256)) * 40,
    "noise that begins like MP4": b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 40,
    "noise that begins like WebM": b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_refused_by_every_reader(name: str) -> None:
    """Whatever is asked of them."""
    for read in READERS:
        with pytest.raises(UnusableMedia):
            read(BAD[name])


def test_a_video_of_centuries_is_refused_by_its_header() -> None:
    """Its length is a word of its header; nothing is decoded for it."""
    with pytest.raises(UnusableMedia, match="longer than 10 hours"):
        video.header(_video_of_centuries())


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    """By the size in its header: the process does not grow."""
    images.header(picture())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in (png_header(100_000, 100_000), png_header(9_000, 9_000), _gif_bomb()):
        with pytest.raises(UnusableMedia) as refused:
            images.convert(bomb, "png")
        assert refused.value.code == "media_too_large"

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_wav_that_promises_gigabytes_has_what_it_has() -> None:
    """The header's length is not believed, and nothing is set aside for it."""
    pcm = tone(0.5)
    lying = bytearray(audio.wav(pcm, audio.PcmForm()))
    lying[40:44] = b"\xf0\xff\xff\xff"

    assert audio.decode(bytes(lying)) == pcm


def test_no_file_and_no_address_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An MP4 whose samples stand "in another file", and one over HTTP: FFmpeg asks, and is refused."""
    secret = tmp_path / "secret"
    secret.write_bytes(tone(1.0))
    asked: list[str] = []
    monkeypatch.setattr(containers, "_open_nothing", lambda url, *_: asked.append(url))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: asked.append("a connection"))
    whole = made_video(0.5)
    for address in (b"file://" + str(secret).encode(), b"http://127.0.0.1:9/"):
        at = whole.index(b"url ")
        referring = (
            whole[: at - 4]
            + struct.pack(">I", 13 + len(address))
            + b"url \x00\x00\x00\x00"
            + address
            + b"\x00"
            + whole[at + 8 :]
        )
        with pytest.raises(UnusableMedia):
            audio.decode(referring)

    assert asked == []


def test_what_codec_libraries_are_told_is_a_list_of_plain_containers() -> None:
    """No playlist, script, device or series of pictures is among them."""
    assert not {"hls", "concat", "dash", "image2", "sdp", "rtsp", "lavfi", "applehttp", "tee", "imf"} & set(
        containers.DEMUXERS.values()
    )


SOUND = {to: audio.encode(tone(0.2), audio.PcmForm(), to) for to in ("wav", "mp3", "flac", "opus", "aac")}
SEEDS = (
    *SOUND.values(),
    picture("PNG"),
    picture("JPEG"),
    picture("WEBP"),
    picture("GIF"),
    picture("AVIF"),
    made_video(0.3, rate=6, size=(64, 36)),
    made_video(0.3, rate=6, size=(64, 36), container="webm", codec="libvpx-vp9"),
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of some damage before it refuses, or reads past it
@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=12), cut=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_changed_and_torn_files_give_a_result_or_our_error(seed: int, changes: list[tuple[int, int]], cut: float) -> None:
    """Bytes changed anywhere and the end torn off: no other error, and never a long wait."""
    data = bytearray(SEEDS[seed])
    for at, value in changes:
        data[at % len(data)] = value
    if cut < 0.5:
        del data[int(len(data) * cut * 2) :]
    for read in READERS:
        with contextlib.suppress(UnusableMedia):
            read(bytes(data))


def test_a_torn_picture_is_refused_not_half_shown() -> None:
    """Half a picture would be a wrong answer."""
    noise = io.BytesIO()
    PIL.Image.effect_noise((100, 100), 50).save(noise, "PNG")
    with pytest.raises(UnusableMedia, match="damaged"):
        images.convert(noise.getvalue()[:5000], "png")
