"""Reading documents: the pages of a PDF, the words of a text."""

import re
import zlib

from pollux.emulator.limits import FILE_TEXT_BYTES_MAX, PDF_INFLATED_BYTES_MAX
from pollux.emulator.media.facts import Broken, Facts
from pollux.emulator.tokens import count_text

PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
MEDIA_BOX = re.compile(rb"/MediaBox\s*\[\s*([\d.+-]+)\s+([\d.+-]+)\s+([\d.+-]+)\s+([\d.+-]+)\s*\]")
OBJECT_STREAM = re.compile(rb"/Type\s*/ObjStm")
STREAM = re.compile(rb"stream\r?\n")

LETTER = 11 / 8.5
"""Height by width of a page of which no size is told."""

QUOTE_CHARS_MAX = 160


def leaf_through(data: bytes) -> Facts:
    """Count the pages of a PDF, those in compressed object streams too; without any it is broken."""
    start = data.find(b"%PDF-", 0, 1024)
    if start < 0:
        raise Broken
    pages = len(PAGE.findall(data))
    box = MEDIA_BOX.search(data)
    left = PDF_INFLATED_BYTES_MAX
    for found in OBJECT_STREAM.finditer(data):
        begin = STREAM.search(data, found.end(), found.end() + 4096)
        if begin is None or left <= 0:
            continue
        try:
            objects = zlib.decompressobj().decompress(data[begin.end() :], left)
        except zlib.error:
            continue
        left -= len(objects)
        pages += len(PAGE.findall(objects))
        box = box or MEDIA_BOX.search(objects)
    if not pages:
        raise Broken
    return Facts("document", "PDF", pages=pages, page_ratio=_ratio(box))


def read(data: bytes, size: int) -> Facts:
    """Count the words of a text, and quote its beginning. Of a very long one only the beginning is read."""
    text = data[:FILE_TEXT_BYTES_MAX].decode(errors="replace")
    begins = " ".join(text[: QUOTE_CHARS_MAX * 2].split())[:QUOTE_CHARS_MAX]
    tokens = count_text(text) + (size - min(size, FILE_TEXT_BYTES_MAX)) // 4
    return Facts("text", words=len(text.split()), begins=begins, tokens=tokens)


def _ratio(box: re.Match[bytes] | None) -> float:
    if box is None:
        return LETTER
    try:
        left, bottom, right, top = (float(number) for number in box.groups())
    except ValueError:
        return LETTER
    width, height = abs(right - left), abs(top - bottom)
    return height / width if width and height else LETTER
