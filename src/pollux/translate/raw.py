"""Fields of a request that stay raw until they are asked for: only then it shows whether they hold JSON that can be read.

Reading the body passed them over, so that their letters and numbers were not looked at.
"""

from typing import Any

import msgspec

from pollux.errors import InvalidRequest

_plain = msgspec.json.Decoder().decode


def decoded(raw: bytes | memoryview | msgspec.Raw, path: str, decode: Any = _plain) -> Any:
    """Decode a raw field. Raises InvalidRequest, which names the place in it."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        where = path + place.rstrip("`")
        raise InvalidRequest(f"{where} is not as it should be: {what}.", param=where, code="invalid_type") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is not UTF-8 text.", param=path, code="invalid_json") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise InvalidRequest(f"{path} is not valid JSON: {reason}.", param=path, code="invalid_json") from None
    except RecursionError:
        raise InvalidRequest(f"{path} is nested too deeply.", param=path, code="nesting_too_deep") from None
