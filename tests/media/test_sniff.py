"""Media types from the bytes."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.media import sniff
from pollux.translate.media import FORMATS
from tests.media import making

IMAGES = [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif"), ("BMP", "image/bmp")]
SOUNDS = [
    ("wav", "pcm_s16le", "audio/wav"),
    ("mp3", "libmp3lame", "audio/mp3"),
    ("aiff", "pcm_s16be", "audio/aiff"),
    ("adts", "aac", "audio/aac"),
    ("ogg", "libopus", "audio/ogg"),
    ("flac", "flac", "audio/flac"),
    ("ipod", "aac", "audio/m4a"),
    ("webm", "libopus", "audio/webm"),
]
VIDEOS = [
    ("mp4", "libx264", "video/mp4"),
    ("mov", "libx264", "video/mov"),
    ("3gp", "libx264", "video/3gpp"),
    ("webm", "libvpx-vp9", "video/webm"),
    ("avi", "mpeg4", "video/avi"),
    ("flv", "flv1", "video/x-flv"),
    ("mpeg", "mpeg1video", "video/mpeg"),
    ("asf", "wmv2", "video/wmv"),
]


@pytest.mark.parametrize(("form", "expected"), IMAGES, ids=str)
def test_pictures_are_known_by_their_bytes(form: str, expected: str) -> None:
    """Whatever they are called."""
    data = making.image(form)

    assert sniff.media_type(data, "video/mp4") == expected
    assert sniff.media_type(data) == expected


@pytest.mark.parametrize(("container", "codec", "expected"), SOUNDS, ids=str)
def test_sounds_are_known_by_their_bytes(container: str, codec: str, expected: str) -> None:
    """A label of another sound changes nothing."""
    data = making.sound(container, codec)

    assert sniff.media_type(data, "audio/wav") == expected
    assert sniff.is_taken(expected)


@pytest.mark.parametrize(("container", "codec", "expected"), VIDEOS, ids=str)
def test_videos_are_known_by_their_bytes(container: str, codec: str, expected: str) -> None:
    """A label of a picture changes nothing."""
    data = making.video(container, codec)

    assert sniff.media_type(data, "image/png") == expected
    assert sniff.is_taken(expected)


def test_a_label_says_what_an_mp4_holds_where_its_beginning_does_not() -> None:
    """Sound alone, in a container of pictures whose tracks stand at its end, is what its label says."""
    data = making.sound("mp4", "aac")

    assert sniff.media_type(data, "audio/mp4") == "audio/m4a"
    assert sniff.media_type(data, "video/mp4") == "video/mp4"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1miaf", "image/heif"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf", "image/avif"),
        (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
        (making.PDF, "application/pdf"),
        (b"{\\rtf1\\ansi Hello}", "text/rtf"),
        (b"ID3\x04\x00\x00\x00\x00\x0f\x7f" + bytes(100), "audio/mp3"),
        (b"\xff\xf1\x50\x80\x00\x1f\xfc", "audio/aac"),
        (b"\xff\xfb\x90\x64", "audio/mp3"),
    ],
)
def test_other_formats_are_known_by_their_bytes(head: bytes, expected: str) -> None:
    """Their magic numbers, from the formats' documents."""
    assert sniff.media_type(head, "text/plain") == expected


@pytest.mark.parametrize(
    ("data", "label", "expected"),
    [
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "text/csv"),
        (b"a,b\n1,2\n", "", "text/plain"),
        (b"# Title\n", "text/x-markdown", "text/markdown"),
        (b'{"a": 1}', "application/json", "application/json"),
        (b"<!DOCTYPE html><p>", "text/plain", "text/html"),
        (b"\n <html lang=en>", "", "text/html"),
        (b"<?xml version='1.0'?><a/>", "", "text/xml"),
        (b"print('a')\n", "text/x-python", "text/x-python"),
        (b"key: value\n", "application/yaml", "text/plain"),
        ("ภาษาไทย".encode(), "image/png", "text/plain"),
        (b"\xef\xbb\xbfa,b", "text/csv", "text/csv"),
        (making.SVG, "image/svg+xml", "image/svg+xml"),
        (making.SVG, "image/png", "image/svg+xml"),
        (b"<svg onload='alert(1)'/>", "", "image/svg+xml"),
    ],
)
def test_text_is_what_its_markup_or_its_label_says(data: bytes, label: str, expected: str) -> None:
    """Bytes that are text are never called an image, whatever the label says; SVG is called by its name."""
    assert sniff.media_type(data, label) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\nhello, I am a PNG",
        b"\x89PNX\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"RIFF\x10\x00\x00\x00NONE",
        bytes(100),
        b"\xc3\x28 half a character",
        b"text\x00with a NUL",
    ],
)
def test_what_is_of_no_known_format_has_no_type(data: bytes) -> None:
    """Not even when its label says so."""
    assert sniff.media_type(data, "image/png") is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (making.image("GIF")[:6] + b"/*" + b"*/=1;alert(1)//", "image/gif"),
        (making.image("PNG") + b"<script>alert(1)</script>", "image/png"),
        (making.image("JPEG") + making.PDF, "image/jpeg"),
        (making.PDF + b"PK\x03\x04" + bytes(40), "application/pdf"),
        (b"   " + making.PDF, "text/plain"),
        (b"<!-- --><html><!-- %PDF-1.4 -->", "text/html"),
    ],
)
def test_a_polyglot_is_what_it_begins_with(data: bytes, expected: str) -> None:
    """A second format behind the first is not looked for."""
    assert sniff.media_type(data, "application/pdf") == expected


def test_raw_pcm_is_known_by_its_label_alone() -> None:
    """It has no beginning; its rate travels, or is OpenAI's."""
    assert sniff.media_type(bytes(range(256)), "audio/pcm;rate=16000") == "audio/l16;rate=16000"
    assert sniff.media_type(bytes(range(256)), FORMATS["pcm16"]) == "audio/l16;rate=24000"
    assert sniff.media_type(making.sound("wav", "pcm_s16le"), "audio/pcm") == "audio/wav"


@pytest.mark.parametrize(("folder", "end"), [("word", "wordprocessingml.document"), ("xl", "spreadsheetml.sheet")])
def test_office_documents_are_known_by_what_is_in_them(folder: str, end: str) -> None:
    """They are ZIP archives; another archive is only that."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}/document.xml", "<a/>")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "a")

    assert sniff.media_type(buffer.getvalue()) == f"application/vnd.openxmlformats-officedocument.{end}"
    assert sniff.media_type(other.getvalue()) == "application/zip"
    assert not sniff.is_taken("application/zip")


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_and_any_label_give_a_type_or_none(data: bytes, label: str) -> None:
    """Nothing raises, and a type that is given has a sort."""
    found = sniff.media_type(data, label)

    assert found is None or sniff.kind(found) in {"image", "audio", "video", "document", "text"}


@pytest.mark.parametrize("before", range(4))
def test_a_text_whose_head_ends_inside_a_character_is_text(before: int) -> None:
    """The head is cut at a byte, wherever that is; inside, half a character is none."""
    text = b"a" * before + "🎈".encode() * sniff.HEAD_BYTES

    assert sniff.media_type(text[: sniff.HEAD_BYTES]) == "text/plain"
    assert sniff.media_type(text[: sniff.HEAD_BYTES // 2 + before + 2] + b"a") is None
