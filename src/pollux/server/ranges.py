"""The Range header: which bytes of a stored thing are asked for. Source: RFC 9110, section 14."""

import re

from pollux.errors import ApiError

_RANGE = re.compile(rb"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{0,18})|-\s*(\d{1,18}))\s*")


class RangeNotSatisfiable(ApiError):
    """A range that is not in the content, or more than one range."""

    status = 416
    type = "invalid_request_error"
    default_code = "range_not_satisfiable"


def asked(headers_range: bytes | None, if_range: bytes | None, *, size: int, etag: bytes) -> tuple[int, int] | None:
    """Give the bytes [start, stop) that are asked for; None for all of them.

    A unit other than bytes, and what cannot be read, is ignored, as the RFC says. Several ranges are refused: an answer in
    parts is something that no client of ours asks for. Raises RangeNotSatisfiable.
    """
    if headers_range is None or (if_range is not None and if_range.strip() != etag):
        return None
    if headers_range[:5].lower() == b"bytes" and b"," in headers_range:
        raise _refused("Only one range at a time is served.", size)
    found = _RANGE.fullmatch(headers_range)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(size - int(suffix), 0), size
        if not int(suffix):
            raise _refused("The range is empty.", size)
    else:
        start = int(first)
        stop = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise _refused(f"The range begins behind the end; there are {size} bytes.", size)
    return start, stop


def _refused(message: str, size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(message, param="range", headers=(("content-range", f"bytes */{size}"),))
