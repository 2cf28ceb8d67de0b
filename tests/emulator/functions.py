"""Functions, requests and short readings for the tests of function calling."""

from typing import Any

from pollux.emulator import Emulator
from tests.emulator.in_process import Reply, call

WEATHER = {
    "name": "get_weather",
    "description": "Get the weather of a place",
    "parameters": {
        "type": "OBJECT",
        "properties": {
            "location": {"type": "STRING", "description": "The city"},
            "unit": {"type": "STRING", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location"],
    },
}

TIME = {
    "name": "get_time",
    "parametersJsonSchema": {
        "type": "object",
        "properties": {"timezone": {"type": "string"}},
        "required": ["timezone"],
        "additionalProperties": False,
    },
}

GEMINI_3 = "gemini-3-flash-preview"

GEMINI_2 = "gemini-2.5-flash"


def user(*parts: Any) -> dict[str, Any]:
    """Make a user turn of texts and parts."""
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def asking(text: str, *functions: Any, mode: str = "", allowed: Any = (), **more: Any) -> dict[str, Any]:
    """Make a request with functions."""
    request = {"contents": [user(text)], "tools": [{"functionDeclarations": list(functions) or [WEATHER, TIME]}], **more}
    if mode:
        request["toolConfig"] = {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": list(allowed)}}
    return request


async def ask(
    body: Any, model: str = GEMINI_3, *, streamed: bool = False, fault: str = "", emulator: Emulator | None = None
) -> Reply:
    """Send a request to a model."""
    verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    headers = {"x-emulator-fault": fault} if fault else {}
    return await call(emulator or Emulator(), f"/v1beta/models/{model}:{verb}", body, headers=headers)


async def parts_of(body: Any, model: str = GEMINI_3, **how: Any) -> list[dict[str, Any]]:
    """Send a request and give the parts of the whole answer."""
    reply = await ask(body, model, **how)
    assert reply.status == 200, reply.body
    return list(reply.json["candidates"][0]["content"]["parts"])


async def calls_of(body: Any, model: str = GEMINI_3) -> list[tuple[str, Any]]:
    """Send a request and give names and arguments of the calls."""
    parts = await parts_of(body, model)
    return [(part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part]


def answered(body: dict[str, Any], parts: list[dict[str, Any]], response: Any = None) -> dict[str, Any]:
    """Make the next request of a loop: the model's parts as they came, and a result for each call."""
    results = [
        {
            "functionResponse": {
                **{k: v for k, v in part["functionCall"].items() if k != "args"},
                "response": response or {"ok": 1},
            }
        }
        for part in parts
        if "functionCall" in part
    ]
    return {**body, "contents": [*body["contents"], {"role": "model", "parts": parts}, {"role": "user", "parts": results}]}
