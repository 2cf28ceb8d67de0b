"""Opening sound and video: the container's format comes from its first bytes, and nothing but these bytes is ever read.

FFmpeg would guess a format, and among its formats are playlists and scripts that name other files and addresses. So the
format is forced from a table of plain containers, of which each is told by its magic bytes; what matches none is refused.
Whatever a demuxer may still want to open is refused too, and it reads through a reader that gives up when it is made to read
the same bytes again and again.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from pollux.errors import UnusableMedia
from pollux.media.limits import SECONDS_MAX, STREAMS_MAX, too_large
from pollux.media.sniff import HEAD_BYTES, media_type

if TYPE_CHECKING:
    import av.container
    import av.stream

READS_MAX = 20
"""How often a container's bytes may be read over: an honest one is read once or twice."""

READS_FREE_BYTES = 16_777_216
"""What may be read in any case: probing reads small files many times."""

DEMUXERS = {
    "audio/wav": "wav",
    "audio/mp3": "mp3",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/aiff": "aiff",
    "audio/m4a": "mov",
    "audio/webm": "matroska",
    "audio/amr": "amr",
    "video/ogg": "ogg",
    "video/mp4": "mov",
    "video/mov": "mov",
    "video/3gpp": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/avi": "avi",
    "video/x-flv": "flv",
    "video/wmv": "asf",
    "video/mpeg": "mpeg",
    "video/mp2t": "mpegts",
}
"""FFmpeg's demuxer for each type that the magic bytes tell. Playlists (hls, dash), scripts (concat), series of pictures and raw
samples are not here, and so cannot be opened."""

CODECS = (
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_u8,pcm_s8,pcm_f32le,pcm_f32be,pcm_f64le,pcm_alaw,pcm_mulaw,"
    "adpcm_ms,adpcm_ima_wav,mp3,mp3float,mp2,mp2float,aac,aac_latm,flac,alac,opus,libopus,vorbis,libvorbis,ac3,eac3,amrnb,amrwb,"
    "libopencore_amrnb,libopencore_amrwb,wmav1,wmav2,wmapro,h264,hevc,av1,libdav1d,vp8,vp9,libvpx-vp9,libvpx,mpeg4,mpeg1video,"
    "mpeg2video,h263,mjpeg,flv,msmpeg4v2,msmpeg4v3,wmv1,wmv2,wmv3,vc1,theora"
)
"""Decoders that may be used: those of the formats that the models take."""


def demuxer(data: bytes) -> str | None:
    """Give FFmpeg's name of a container's format by its magic bytes; None when it is none that is opened here."""
    return DEMUXERS.get(media_type(data[:HEAD_BYTES]) or "")


@contextmanager
def opened(data: bytes, what: str) -> "Iterator[av.container.InputContainer]":
    """Open a container. `what` names in errors what it is meant to be: "sound", "video".

    Raises UnusableMedia, also from within the block, for whatever the library says of the bytes.
    """
    import av  # large: loaded with the first sound

    name = demuxer(data)
    if name is None:
        raise UnusableMedia(f"The bytes are no {what} of a known format.")
    av.logging.set_level(None)
    try:
        with av.open(
            _Reader(data),
            "r",
            format=name,
            options={"protocol_whitelist": "none", "codec_whitelist": CODECS, "max_streams": str(STREAMS_MAX)},
            io_open=_open_nothing,
        ) as container:
            if len(container.streams) > STREAMS_MAX:
                raise too_large(f"The {what} has more than {STREAMS_MAX} streams.")
            check_length((container.duration or 0) / av.time_base, what)
            yield container
    except (av.FFmpegError, ValueError, OverflowError, IndexError, EOFError, OSError):
        raise UnusableMedia(f"The {what} is damaged, or not of the format that it begins as.") from None


def check_length(seconds: float, what: str) -> None:
    """Refuse what says that it is longer than anything the models take."""
    if seconds > SECONDS_MAX:
        raise too_large(f"The {what} says that it is longer than {SECONDS_MAX / 3600:g} hours.")


def check_codec(stream: "av.stream.Stream") -> None:
    """Refuse a stream for which there is no decoder on the list."""
    codec: Any = stream.codec_context  # PyAV does not say that it may be missing
    if codec is None:
        raise UnusableMedia(f"The {stream.type} is of a codec that is not taken.")


def _open_nothing(_url: str, _flags: int, _options: dict[str, Any]) -> NoReturn:
    """Refuse a file or an address that a demuxer wants to open."""
    raise PermissionError("Only the bytes that were given are read.")


class _Reader(io.BytesIO):
    """The bytes, read at most so many times over."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = len(data) * READS_MAX + READS_FREE_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        data = super().read(size)
        self._left -= len(data) + 1
        if self._left < 0:
            raise OSError("The container is read over and over.")
        return data
