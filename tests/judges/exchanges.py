"""Pairs of whole exchanges: one request, all native calls that answer it, and what the caller gets.

For what takes more than one native call: several choices, repairs, continuations. The real server plays them.
"""

import re
from typing import Any

import msgspec

from pollux.upstream.http import HttpRequest
from tests.judges import playing

CREATED = 1_784_000_000
TOKEN = "0123456789abcdef01234567"
"""What the server takes from clock and chance stands in the pairs as these."""


async def exchange(request: dict[str, Any], answers: list[Any]) -> tuple[list[Any], Any]:
    """Ask the server, which gets these native answers in turn; give what it sent, and the answer: whole, or its messages."""
    waiting = iter(answers)

    def play(_request: HttpRequest) -> playing.Played:
        answer = next(waiting)
        if isinstance(answer, list):
            return playing.as_stream(answer)
        return playing.Played(msgspec.json.encode(answer), status=answer.get("error", {}).get("code", 200))

    http = playing.FakeHttp(play)
    answer = await playing.ask(playing.server(http), "POST", "/v1/chat/completions", request)
    sent = [msgspec.json.decode(_bytes(native.body)) for native in http.sent]
    assert next(waiting, None) is None, "an answer was not asked for"
    if request.get("stream") and answer.status == 200:
        return sent, [_settled(message) for message in answer.messages]
    return sent, _settled(answer.json)


def _bytes(body: Any) -> bytes:
    assert isinstance(body, bytes)
    return body


def _settled(message: Any) -> Any:
    """Put fixed values in the place of those from clock and chance."""
    if not isinstance(message, dict) or "error" in message:
        return message
    text = msgspec.json.encode(message | {"created": CREATED}).decode()
    return msgspec.json.decode(re.sub("(chatcmpl-|call_)[0-9a-f]{24}", rf"\g<1>{TOKEN}", text))
