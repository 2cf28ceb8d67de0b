"""The bytes of the bench: native replies of recorded shape, and the requests of both languages that ask for them.

The user's message names what the mock is to play, `[play STREAM SCALE]`. So the mock also sees that the text came through.
"""

from dataclasses import dataclass
from random import Random

import msgspec

MODEL = "gemini-2.5-flash"
AGENT_MODEL = "gemini-3.6-flash"
"""The model of the agents' cases: one that signs its calls."""

WHOLES = ("whole", "history", "tools", "schema")
"""What is answered whole: a plain question, one at the end of a long history, one that makes the model call a function, and one
that brings a schema of 200 KB."""

SCHEMA_FIELDS = 480

HISTORY_MESSAGES = 500
HISTORY_TOOL_TURNS = 100
KEY = "k"
STAMP = b"@0000000000000000000@"
"""Where a streamed event carries the nanosecond at which the mock wrote it. It has the same length when filled in."""

TEXT = (
    "An API gateway is a single entry point for many services. It checks keys, limits callers and forwards each request to the "
    "service that can answer it.\n\nUse one when several teams own the services and the callers should see one surface. "
    "Keep it thin: what is \u201cclever\u201d in a gateway is hard to find later."
)

USAGE = """{
    "promptTokenCount": 96,
    "candidatesTokenCount": 68,
    "totalTokenCount": 201,
    "promptTokensDetails": [
      {
        "modality": "TEXT",
        "tokenCount": 96
      }
    ],
    "thoughtsTokenCount": 37
  }"""

WHOLE_REPLY = f"""{{
  "candidates": [
    {{
      "content": {{
        "parts": [
          {{
            "text": {msgspec.json.encode(TEXT).decode()}
          }}
        ],
        "role": "model"
      }},
      "finishReason": "STOP",
      "index": 0
    }}
  ],
  "usageMetadata": {USAGE},
  "modelVersion": "{MODEL}",
  "responseId": "3x8Cavq-EomD-8YPoO7ukQw"
}}
""".encode()
"""Some 900 bytes, printed with two spaces as the service prints it. The median of 390 recorded replies is 807."""

CALLED = '{"location":"Chicago, IL"}'

CALL_REPLY = WHOLE_REPLY.replace(
    b'"text": ' + msgspec.json.encode(TEXT),
    b'"functionCall": {"name": "get_weather", "args": {"location": "Chicago, IL"}, "id": "q1w2e3r4"}, "thoughtSignature": "'
    + b"Eqo+Cqc+Ab4+9vtgONaa" * 40
    + b'"',
)
"""The same, with a signed call in the place of the text."""

MODELS_REPLY = msgspec.json.encode(
    {
        "models": [
            {
                "name": f"models/{MODEL}",
                "version": "001",
                "displayName": "Gemini 2.5 Flash",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }
        ]
    }
)


@dataclass(frozen=True, slots=True)
class Stream:
    """A native stream: the text of each event and the pause before each."""

    texts: tuple[str, ...]
    pauses_seconds: tuple[float, ...]

    def event(self, index: int) -> bytes:
        """One event as the service frames it, some 450 bytes. The median of 505 recorded events is 457."""
        last = index == len(self.texts) - 1
        finish = '"finishReason": "STOP",' if last else ""
        usage = " ".join(USAGE.split()).replace("{ ", "{").replace(" }", "}").replace("[ ", "[").replace(" ]", "]")
        return (
            f'data: {{"candidates": [{{"content": {{"parts": [{{"text": {msgspec.json.encode(self.texts[index]).decode()}}}],'
            f'"role": "model"}},{finish}"index": 0}}],"usageMetadata": {usage},"modelVersion": "{MODEL}",'
            '"responseId": "3x8Cavq-EomD-8YPoO7ukQw"}\r\n\r\n'
        ).encode()


def _stream(events: int, pauses: tuple[float, ...]) -> Stream:
    """Phrases of some 70 characters, each with its number and its stamp."""
    return Stream(
        tuple(f"{index:03d} {STAMP.decode()} a phrase of some length, as the service sends it. " for index in range(events)),
        pauses,
    )


RECORDED_LENGTHS = (3, 3, 3, 4, 3, 5, 3, 4, 3, 6, 3, 4, 5, 3, 7, 3, 8, 4, 3, 12, 3, 5, 3, 28, 4, 3, 6, 3, 4, 76)
"""Events per stream: median 4, longest 76. Recorded: median 2, longest 76, with those of one and two events."""


def _recorded() -> dict[str, Stream]:
    """Gaps of 0.1 to 2 seconds, most of them short, the same ones in every run."""
    random = Random(20261122)  # a fixed seed: every run plays the same streams
    return {
        f"recorded-{number}": _stream(events, tuple(min(2.0, 0.1 + random.expovariate(4)) for _ in range(events)))
        for number, events in enumerate(RECORDED_LENGTHS)
    }


STREAMS: dict[str, Stream] = {
    "hold": _stream(1, (2.0,)),
    "paced": _stream(200, (0.005,) * 200),
    "burst": _stream(500, (0.0,) * 500),
    **_recorded(),
}


def _user_text(play: str, scale: float) -> str:
    question = "What is an API gateway, and when should I use one? Answer in four sentences, for a team with a dozen services."
    return f"{question} [play {play} {scale}]"


_SYSTEM = (
    "You are a helpful assistant of an engineering team. Answer plainly and briefly, without lists. Say when you are not sure. "
    "Do not repeat the question, and do not praise it. Use the words of the documentation that the team already knows, name "
    "what you leave out, and end with the one thing to read next."
)


_TOOL_SCHEMA = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "The city and state, e.g. Chicago, IL"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["location"],
}


def _schema() -> dict[str, object]:
    """A schema of 200 KB, as a large pydantic model gives it."""
    order = {
        "type": "object",
        "description": "What the customer ordered, and when it should come.",
        "properties": {
            "name": {"type": "string", "description": "The name."},
            "count": {"type": "integer", "minimum": 0},
            "tags": {"type": "array", "items": {"type": "string"}},
            "kind": {"enum": ["a", "b", "c"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    return {"type": "object", "properties": {f"field_{number}": order for number in range(SCHEMA_FIELDS)}}


def _history() -> list[dict[str, object]]:
    """A hundred turns: a question, a call, its result, an answer, and a word of thanks."""
    messages: list[dict[str, object]] = []
    for turn in range(HISTORY_TOOL_TURNS):
        call_id = f"call_{turn:024x}000"
        arguments = msgspec.json.encode({"location": f"City {turn}"}).decode()
        messages += [
            {"role": "user", "content": f"What is the weather in City {turn} today, and what should I wear?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
                ],
            },
            {"role": "tool", "tool_call_id": call_id, "content": f'{{"temperature": {turn}, "sky": "clear"}}'},
            {"role": "assistant", "content": f"It is {turn} degrees and clear in City {turn}; a light jacket will do."},
            {"role": "user", "content": "Thank you."},
        ]
    return messages[: HISTORY_MESSAGES - 1]


def openai_body(play: str, *, stream: bool, scale: float = 1.0) -> bytes:
    """A chat request as the openai package writes it."""
    body: dict[str, object] = {
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _user_text(play, scale)}],
        "model": MODEL,
        "max_tokens": 1024,
        "temperature": 0.7,
    }
    if play in {"history", "tools"}:
        function = {"name": "get_weather", "description": "Get the weather", "parameters": _TOOL_SCHEMA}
        body |= {"model": AGENT_MODEL, "tools": [{"type": "function", "function": function}]}
    if play == "schema":
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "orders", "schema": _schema()}}
    if play == "history":
        body["messages"] = [*_history(), {"role": "user", "content": _user_text(play, scale)}]
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def native_body(play: str, *, scale: float = 1.0) -> bytes:
    """The same request in the native language: what a translator sends for it, a long history in as many bytes."""
    earlier = [
        {"role": "user", "parts": [{"text": msgspec.json.encode(message).decode()}]}
        for message in (_history() if play == "history" else [])
    ]
    return msgspec.json.encode(
        {
            "contents": [*earlier, {"role": "user", "parts": [{"text": _user_text(play, scale)}]}],
            "systemInstruction": {"parts": [{"text": _SYSTEM}]},
            "generationConfig": {"maxOutputTokens": 1024, "temperature": 0.7}
            | ({"responseMimeType": "application/json", "responseJsonSchema": _schema()} if play == "schema" else {}),
        }
    )


def openai_request(play: str, *, stream: bool, scale: float = 1.0) -> bytes:
    """The whole HTTP request to a server that speaks OpenAI."""
    headers = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nAccept: application/json\r\n"
    )
    return _request(headers + "User-Agent: OpenAI/Python 3.54.0\r\n", openai_body(play, stream=stream, scale=scale))


def native_request(play: str, *, stream: bool, scale: float = 1.0) -> bytes:
    """The whole HTTP request to the mock, or to a plain proxy before it."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    headers = f"POST /v1beta/models/{MODEL}:{method} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-goog-api-key: {KEY}\r\nAccept: */*\r\n"
    return _request(headers + "User-Agent: bench\r\n", native_body(play, scale=scale))


def _request(head: str, body: bytes) -> bytes:
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
