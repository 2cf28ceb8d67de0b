"""The media of a request as a server would find them, without one."""

from collections.abc import Mapping
from typing import Any

from pollux.media import inline
from pollux.translate.media import Found, sources
from pollux.wire.openai.chat import ChatCompletionRequest


def media(request: ChatCompletionRequest, elsewhere: Mapping[str, Mapping[str, Any]] | None = None) -> list[Found]:
    """Find what lies in the request, and by `elsewhere` (path → mime_type, uri) what does not; else by its address."""
    return [
        inline.found(source)
        if source.data is not None
        else Found(source, **(elsewhere or {}).get(source.path, {"mime_type": "image/png", "uri": source.address}))
        for source in sources(request.messages)
    ]
