"""Calls and results for the server's tests: what a caller sends, and what the fake upstream says of calls and odd endings."""

from collections.abc import Iterable
from typing import Any

from tests.server.fake import Conversation, Handler, error_reply

SIGNATURE = "dHJ1ZSBzaWduYXR1cmU="
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

REFUSED = error_reply(
    400,
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and "
    "missing thought_signature may lead to degraded model performance. Additional data, function call "
    "`default_api:look` , position 2. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more "
    "details.",
    "INVALID_ARGUMENT",
)
"""The service's answer to a lost signature, as it is quoted in many public threads."""


def function(name: str = "look", **more: Any) -> dict[str, Any]:
    """Declare a function."""
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}} | more}


def call(call_id: str, name: str = "look", arguments: str = "{}", signature: str | None = None) -> dict[str, Any]:
    """Make a call as clients send it back."""
    made: dict[str, Any] = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return made | ({"extra_content": {"google": {"thought_signature": signature}}} if signature else {})


def called(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    """Make an assistant's message with calls."""
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(call_id: str, content: Any = "done") -> dict[str, Any]:
    """Make the result of a call."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


ASKED = {"role": "user", "content": "Look, please."}


def reply(
    *parts: dict[str, Any], finish: str | None = "STOP", prompt: int = 10, candidates: int = 5, thoughts: int = 0, **more: Any
) -> dict[str, Any]:
    """Make a native reply of these parts."""
    candidate: dict[str, Any] = {"index": 0} | more
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": prompt, "totalTokenCount": prompt + candidates + thoughts}
    usage |= {"candidatesTokenCount": candidates} if candidates else {}
    usage |= {"thoughtsTokenCount": thoughts} if thoughts else {}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.6-flash", "responseId": "native-id-1"}


def native_call(name: str = "look", signature: str | None = SIGNATURE, **args: Any) -> dict[str, Any]:
    """Make a native part that calls."""
    return {"functionCall": {"name": name, "args": args}} | ({"thoughtSignature": signature} if signature else {})


def in_turn(answers: Iterable[Any]) -> Handler:
    """Give steps that answer each native call with the next of these: an error's body, a reply, or a list of events."""
    waiting = iter(answers)

    def answer(conversation: Conversation) -> None:
        said = next(waiting, None)
        if said is None:
            conversation.answer(418, error_reply(418, "There was one call too many.", "INTERNAL"))
        elif "error" in said:
            conversation.answer(said["error"]["code"], said)
        elif conversation.request.verb == "streamGenerateContent":
            conversation.start()
            for event in said if isinstance(said, list) else [said]:
                conversation.send(event)
            conversation.end()
        else:
            conversation.answer(200, said)

    return answer
