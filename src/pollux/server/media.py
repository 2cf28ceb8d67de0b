"""The media of a request: read where they lie in it, fetched or uploaded where they do not."""

from pollux.errors import Unsupported
from pollux.media import inline
from pollux.translate.media import Found, Source, sources
from pollux.wire.openai.chat import Message


async def found(messages: list[Message]) -> list[Found]:
    """Find all media of a conversation. Raises ApiError, naming the part."""
    return [_one(source) for source in sources(messages)]


def _one(source: Source) -> Found:
    if source.data is None:
        raise Unsupported(
            f"{source.path}: addresses and ids of files are not taken yet.", param=source.path, code="unsupported_value"
        )
    return inline.found(source)
