"""Agents as users write them: a loop over chat completions, two tools, and what the journal says that Gemini was sent."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletionChunk

from pollux.emulator.signatures import is_dummy

GEMINI_3 = "gemini-3.6-flash"
GEMINI_2 = "gemini-2.5-flash"
KEY = "any-key-of-a-user"

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "get_weather", "description": "Get the weather of a city.", "parameters": CITY},
    },
    {"type": "function", "function": {"name": "get_time", "description": "Get the local time of a city.", "parameters": CITY}},
]

Keeping = Literal["drops", "keeps", "rewrites"]
"""What a client does with an answer before it sends it back: builds it anew from the fields that it knows, sends everything,
or builds it anew with tool-call ids of its own."""


def task(rounds: int, city: str = "Paris") -> str:
    """Ask for rounds of two calls each."""
    return f"Call get_weather and get_time in parallel for {city}, in {rounds} rounds."


@dataclass
class Agent:
    """One conversation. `step` asks once and runs the tools that are called."""

    task: str
    model: str = GEMINI_3
    keeping: Keeping = "drops"
    streamed: bool = False
    extra_body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    bare: bool = False
    """Hands the messages over unseen: the `openai` client looks at every field of a long history, for most of a second."""
    messages: list[Any] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    """What came as the thought signature of each call, by the id that the client uses for the call."""
    ran: list[list[tuple[str, str]]] = field(default_factory=list)
    """Names and arguments of the calls, step by step."""
    thoughts: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        self.messages.append({"role": "user", "content": self.task})

    def run(self, url: str, steps_max: int) -> "Agent":
        """Ask until there is an answer in words."""
        with client_of(url) as client:
            for _ in range(steps_max):
                if not self.step(client):
                    return self
        raise AssertionError(f"no answer after {steps_max} steps")

    def step(self, client: OpenAI) -> bool:
        """Ask once; say whether tools were called."""
        message, reason = self._streamed(client) if self.streamed else self._whole(client)
        calls = message.get("tool_calls") or []
        assert reason == ("tool_calls" if calls else "stop")
        self.text = message.get("content") or ""
        if message.get("reasoning_content"):
            self.thoughts.append(message["reasoning_content"])
        self.messages.append(self._sent_back(message))
        for sent, call in zip(self.messages[-1].get("tool_calls") or [], calls, strict=True):
            signature = call.get("extra_content", {}).get("google", {}).get("thought_signature")
            if signature:
                self.signatures[sent["id"]] = signature
            result = {"city": msgspec.json.decode(call["function"]["arguments"])["city"], "step": len(self.ran)}
            self.messages.append({"role": "tool", "tool_call_id": sent["id"], "content": msgspec.json.encode(result).decode()})
        if calls:
            self.ran.append([(call["function"]["name"], call["function"]["arguments"]) for call in calls])
        return bool(calls)

    def _sent_back(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.keeping == "keeps":
            return message
        calls = [
            {
                "id": f"own-{len(self.ran)}-{j}" if self.keeping == "rewrites" else call["id"],
                "type": call["type"],
                "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]},
            }
            for j, call in enumerate(message.get("tool_calls") or [])
        ]
        known = {"role": "assistant", "content": message.get("content")}
        return known | ({"tool_calls": calls} if calls else {})

    def _whole(self, client: OpenAI) -> tuple[dict[str, Any], str | None]:
        [choice] = client.chat.completions.create(**self._parameters()).choices
        return choice.message.model_dump(exclude_unset=True), choice.finish_reason

    def _streamed(self, client: OpenAI) -> tuple[dict[str, Any], str | None]:
        return folded(client.chat.completions.create(**self._parameters(), stream=True))

    def _parameters(self) -> dict[str, Any]:
        extra = dict(self.extra_body or {}) | ({"messages": self.messages} if self.bare else {})
        return {
            "model": self.model,
            "messages": [] if self.bare else self.messages,
            "tools": TOOLS,
            "extra_body": extra,
            "extra_headers": self.headers,
        }


def client_of(url: str, **headers: str) -> OpenAI:
    """Make the client as users make it; it repeats nothing, so that every error is seen."""
    return OpenAI(api_key=KEY, base_url=url + "/v1", max_retries=0, default_headers=headers)


def folded(stream: Stream[ChatCompletionChunk]) -> tuple[dict[str, Any], str | None]:
    """Join the chunks as clients do: texts are added up, calls are found by their index."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[dict[str, Any]] = []
    reason = None
    for chunk in stream:
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_unset=True)
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = (message.get(name) or "") + delta[name]
            if delta.get("extra_content"):
                message["extra_content"] = {
                    "google": message.get("extra_content", {}).get("google", {}) | delta["extra_content"]["google"]
                }
            for call in delta.get("tool_calls") or []:
                index = call.pop("index")
                if index == len(calls):
                    assert call["id"]
                    assert call["function"]["name"]
                    calls.append(call)
                else:
                    assert index == len(calls) - 1
                    calls[index]["function"]["arguments"] += call["function"]["arguments"]
            reason = choice.finish_reason or reason
    if calls:
        message["tool_calls"] = calls
    return message, reason


def first_calls(bodies: list[Any]) -> list[tuple[str, str | None]]:
    """List the id and the signature of the first call of each step in requests to Gemini; the others have none."""
    found: list[tuple[str, str | None]] = []
    for body in bodies:
        for content in body["contents"]:
            calls = [part for part in content["parts"] if "functionCall" in part]
            if calls:
                assert content["role"] == "model"
                assert not [part for part in calls[1:] if "thoughtSignature" in part]
                found.append((calls[0]["functionCall"]["id"], calls[0].get("thoughtSignature")))
    dummies = [call_id for call_id, signature in found if signature and is_dummy(signature)]
    assert dummies == []
    return found
