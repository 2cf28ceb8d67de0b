"""Video: what one is, and pictures of it."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from pollux.errors import UnusableMedia
from pollux.media.containers import check_codec, check_length, opened
from pollux.media.images import ImageFormat
from pollux.media.limits import PIXELS_MAX, SIDE_MAX, too_large

if TYPE_CHECKING:
    import av
    import av.container
    import av.video.stream
    import PIL.Image

FRAMES_SEARCHED_MAX = 300
"""Frames that are decoded in search of one for a picture."""


class VideoHeader(Struct, frozen=True):
    """What a video says of itself; `frame_rate` is the mean, `seconds` by what is really in it."""

    width: int
    height: int
    frame_rate: float
    seconds: float
    has_sound: bool
    codec: str


def header(data: bytes) -> VideoHeader:
    """Say what a video is; it is read through, no picture is decoded.

    Raises UnusableMedia when it is none, or beyond a limit.
    """
    with opened(data, "video") as container:
        stream = _video_of(container)
        count = 0
        first: int | None = None
        end = 0
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            count += 1
            first = packet.pts if first is None else min(first, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
        seconds = float((end - (first or 0)) * (stream.time_base or 0))
        if not count or seconds <= 0:
            raise UnusableMedia("There is no video in it.")
        check_length(seconds, "video")
        return VideoHeader(
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            frame_rate=round(count / seconds, 3),
            seconds=seconds,
            has_sound=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def thumbnail(data: bytes, side_max: int = 512, to: ImageFormat = "webp") -> bytes:
    """Give the first picture of a video, neither side longer than `side_max`."""
    with opened(data, "video") as container:
        frame = next(_pictures(container, _video_of(container)), None)
        if frame is None:
            raise UnusableMedia("There is no picture in the video.")
        picture = _picture(frame)
        picture.thumbnail((side_max, side_max))
        return _encoded(picture, to)


def spritesheet(data: bytes, columns: int = 5, rows: int = 4, width: int = 160, to: ImageFormat = "jpeg") -> bytes:
    """Give pictures from the whole length of a video in one, row by row, each `width` wide.

    Of a short video the last places stay black.
    """
    import PIL.Image

    with opened(data, "video") as container:
        stream = _video_of(container)
        height = max(1, round(width * stream.codec_context.height / stream.codec_context.width))
        _check_size(width * columns, height * rows)
        sheet = PIL.Image.new("RGB", (width * columns, height * rows))
        wanted = columns * rows
        total = (container.duration or 0) / 1_000_000
        placed = 0
        for frame in _pictures(container, stream, frames_max=FRAMES_SEARCHED_MAX * wanted):
            if total > 0 and (frame.time or 0.0) + 1e-6 < placed * total / wanted:
                continue
            picture = _picture(frame.reformat(width=width, height=height))
            sheet.paste(picture, (placed % columns * width, placed // columns * height))
            placed += 1
            if placed == wanted:
                break
        if not placed:
            raise UnusableMedia("There is no picture in the video.")
        return _encoded(sheet, to)


def _video_of(container: "av.container.InputContainer") -> "av.video.stream.VideoStream":
    if not container.streams.video:
        raise UnusableMedia("There is no video in it.")
    stream = container.streams.video[0]
    check_codec(stream)
    _check_size(stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(PIXELS_MAX)}
    return stream


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UnusableMedia("The video has no pictures.")
    if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX:
        raise too_large(f"The video has {width}x{height} pixels; {PIXELS_MAX:,} are the limit.")


def _pictures(
    container: "av.container.InputContainer", stream: "av.video.stream.VideoStream", frames_max: int = FRAMES_SEARCHED_MAX
) -> "Iterator[av.VideoFrame]":
    """Give the decoded pictures; one whose size is beyond the limit, whatever the header said, is none."""
    for count, frame in enumerate(container.decode(stream)):
        if count >= frames_max:
            return
        _check_size(frame.width, frame.height)
        yield frame


def _picture(frame: "av.VideoFrame") -> "PIL.Image.Image":
    picture: PIL.Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV does not say
    return picture


def _encoded(picture: "PIL.Image.Image", to: ImageFormat) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, to.upper(), quality=80)
    return encoded.getvalue()
