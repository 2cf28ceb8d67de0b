"""Pictures in answers and requests of the tests."""

import base64
import io
from typing import Any

import msgspec
import PIL.Image


def opened(image: dict[str, Any]) -> PIL.Image.Image:
    """Open the picture of an answer or an event, decoded to the last pixel."""
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(image["b64_json"], validate=True)))
    picture.load()
    return picture


def events(body: bytes) -> list[tuple[str, Any]]:
    """Give the events of a stream of pictures: the name of each, and its message."""
    records = [record for record in body.decode().split("\n\n") if record and not record.startswith(":")]
    return [
        (name.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: ")))
        for name, _, data in (record.rpartition("\n") for record in records)
    ]


def url_of(data: bytes, mime_type: str = "image/png") -> str:
    """Give a data URL."""
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def form(*fields: tuple[str, str | bytes]) -> tuple[bytes, str]:
    """Write a form, and give it with its content type; bytes are files."""
    boundary = "a-boundary-of-the-tests"
    parts: list[bytes] = []
    for name, value in fields:
        is_file = isinstance(value, bytes)
        disposition = f'form-data; name="{name}"' + ('; filename="a.png"' if is_file else "")
        label = "Content-Type: image/png\r\n" if is_file else ""
        parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n{label}\r\n".encode())
        parts.append(value if isinstance(value, bytes) else value.encode())
        parts.append(b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
