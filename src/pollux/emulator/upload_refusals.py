"""What is refused inside an upload: in plain text, as the service's upload front end does, not in JSON."""

from dataclasses import dataclass

GRANULARITY = 8_388_608
"""Recorded as `X-Goog-Upload-Chunk-Granularity`."""


@dataclass(eq=False)
class Refused(Exception):
    """An answer in plain text to a step of an upload; `active` says whether the upload can go on."""

    code: int
    text: str
    active: bool = False


def terminated() -> Refused:
    """Quoted in many public logs, as plain text: an upload that is finished, given up or unknown."""
    return Refused(400, "Upload has already been terminated.")


def wrong_offset(offset: int | None, received: int) -> Refused:
    """No wording is known: the emulator's own."""
    return Refused(400, f"Invalid upload offset: {offset}; {received} bytes were received.", active=True)


def wrong_length(length: int) -> Refused:
    """Google's words for Cloud Storage, whose protocol this is, with the number of this service."""
    return Refused(
        400,
        f"Invalid request.  The number of bytes uploaded is required to be equal or greater than {GRANULARITY}, except for "
        f"the final request (it's recommended to be the exact multiple of {GRANULARITY}).  The received request contained "
        f"{length} bytes, which does not meet this requirement.",
        active=True,
    )


def too_short(received: int, size: int) -> Refused:
    """No wording is known: the emulator's own. The upload can go on."""
    return Refused(400, f"Upload has {received} of the {size} bytes that were announced.", active=True)


def too_long(size: int) -> Refused:
    """No wording is known: the emulator's own. The upload is over."""
    return Refused(400, f"Upload is larger than the {size} bytes that were announced.")
