"""Shapes of the Files API.

Source: Gemini API, files; recorded traffic.
"""

import msgspec

from pollux.wire.gemini.generate import Shape


class FileError(Shape):
    """Why a file FAILED."""

    code: int | None = None
    message: str | None = None


class File(Shape):
    """A file at the service. `state` is PROCESSING, ACTIVE, FAILED, or something newer; `uri` is what requests refer to."""

    name: str
    uri: str = ""
    display_name: str | None = None
    mime_type: str | None = None
    size_bytes: str | None = None
    create_time: str | None = None
    state: str = ""
    expiration_time: str | None = None
    source: str | None = None
    error: FileError | None = None


class FileToUpload(Shape):
    """What is said of a file before its bytes are sent."""

    display_name: str
    mime_type: str


class StartUpload(Shape):
    """The request that begins an upload."""

    file: FileToUpload


class Uploaded(Shape):
    """The answer to the last bytes of an upload."""

    file: File


decode_file = msgspec.json.Decoder(File).decode
decode_uploaded = msgspec.json.Decoder(Uploaded).decode
