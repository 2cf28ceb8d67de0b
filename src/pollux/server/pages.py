"""What a caller asks of a list: which page of it, how long, in which order."""

from typing import Literal
from urllib.parse import parse_qs

from pollux.errors import InvalidRequest
from pollux.server.exchange import Exchange

Order = Literal["asc", "desc"]


def asked(exchange: Exchange) -> dict[str, str]:
    """Give the query; of a name that is given twice the last value."""
    return {name: values[-1] for name, values in parse_qs(exchange.query.decode("latin-1")).items()}


def limit(query: dict[str, str], *, default: int, most: int) -> int:
    """Give the length of a page. Raises InvalidRequest."""
    text = query.get("limit")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise InvalidRequest(f"limit must be between 1 and {most}.", param="limit")
    return int(text)


def order(query: dict[str, str]) -> Order:
    """Give the order by age. Raises InvalidRequest."""
    match query.get("order"):
        case None | "desc":
            return "desc"
        case "asc":
            return "asc"
    raise InvalidRequest("order must be asc or desc.", param="order")
