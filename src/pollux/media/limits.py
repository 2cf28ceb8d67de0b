"""What a codec may be made to do by bytes from strangers. Each limit is far above what the models take or give."""

from pollux.errors import UnusableMedia

PIXELS_MAX = 50_000_000
"""Most pixels of a picture or a video's frame, by its header, before anything is decoded: 200 MB in memory. A camera phone's
largest; the models' largest are 17 million."""

SIDE_MAX = 32_768
"""Longest side of a picture."""

SECONDS_MAX = 36_000.0
"""Longest sound or video: ten hours; the models take nine and a half. Source: Gemini API, Audio understanding."""

PCM_BYTES_MAX = 268_435_456
"""Most samples decoded at once: an hour and a half at 24 kHz, two at 16 kHz."""

STREAMS_MAX = 16
"""Most streams in a container: sound, video, subtitles."""


def too_large(message: str) -> UnusableMedia:
    """Make the error for what is beyond a limit."""
    return UnusableMedia(message, code="media_too_large")
