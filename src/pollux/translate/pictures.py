"""Pictures of earlier answers: how they come back from the client, and what of them is remembered.

A picture has a megabyte and its signature as much again. The signature is remembered, the picture is not: in a remembered turn
its place holds a hash, and its bytes come from the client, who sends `images` back as it got them. A client that drops them has
the turn without its pictures; that is noted.
"""

import hashlib
import re
from typing import Any

import msgspec

from pollux.errors import Unsupported
from pollux.wire.gemini.generate import Blob, Part

_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,", re.IGNORECASE)

HASHED_AT_ONCE = 65_536


def picture_key(data: str) -> str:
    """Give the key of a picture: a hash of its base64, taken piece by piece, since it may have 20 MB."""
    hashed = hashlib.blake2b(digest_size=16)
    for start in range(0, len(data), HASHED_AT_ONCE):
        hashed.update(data[start : start + HASHED_AT_ONCE].encode())
    return f"image_{hashed.hexdigest()}"


def is_picture(part: Part) -> bool:
    """Say whether a part is a picture, its bytes there or not."""
    return part.inline_data is not None and (part.inline_data.mime_type or "").startswith("image/")


def first_key(images: Any) -> str | None:
    """Give the key of the first picture that a client sent back, whatever a client made of them."""
    if not isinstance(images, list) or not images:
        return None
    url = _url(images[0])
    found = _DATA_URL.match(url)
    return picture_key(url[found.end() :]) if found else None


def parts(images: Any, path: str) -> list[Part]:
    """Say the pictures of an assistant message in native parts, each with its signature, where the client kept it.

    Raises Unsupported for what is no data URL: we gave no other.
    """
    if not isinstance(images, list):
        return []
    return [_part(image, f"{path}[{i}]") for i, image in enumerate(images)]


def without_bytes(part: Part) -> Part:
    """Give a picture's part with a hash in the place of its bytes."""
    blob = part.inline_data or Blob()
    return msgspec.structs.replace(part, inline_data=Blob(mime_type=blob.mime_type, data=picture_key(blob.data or "")))


def restored(turn: list[Part], pictures: list[Part]) -> list[Part] | None:
    """Give a turn's parts with the bytes that the client sent; without its pictures where the client sent none.

    None when they are not the turn's pictures.
    """
    if not any(is_picture(part) for part in turn):
        return None if pictures else turn
    if not pictures:
        return [part for part in turn if not is_picture(part)]
    left = list(pictures)
    filled: list[Part] = []
    for part in turn:
        if not is_picture(part):
            filled.append(part)
            continue
        if not left:
            return None
        theirs = left.pop(0).inline_data or Blob()
        data = (part.inline_data or Blob()).data
        if data is not None and data not in {theirs.data, picture_key(theirs.data or "")}:
            return None
        filled.append(msgspec.structs.replace(part, inline_data=theirs))
    return None if left else filled


def _part(image: Any, path: str) -> Part:
    url = _url(image)
    found = _DATA_URL.match(url)
    if found is None:
        raise Unsupported(
            f"{path} must be a picture as a data URL, as it was in the answer.", param=path, code="unsupported_value"
        )
    extra = image.get("extra_content") if isinstance(image, dict) else None
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return Part(
        inline_data=Blob(mime_type=found[1].lower(), data=url[found.end() :]),
        thought_signature=signature if isinstance(signature, str) else None,
    )


def _url(image: Any) -> str:
    inner = image.get("image_url") if isinstance(image, dict) else None
    url = inner.get("url") if isinstance(inner, dict) else inner
    return url if isinstance(url, str) else ""
