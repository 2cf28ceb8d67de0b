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
