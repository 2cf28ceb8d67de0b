"""`extra_body.google.generation_config`: Gemini's own words for what OpenAI's parameters say.

A field that says what a parameter says becomes that parameter, so that there is one way on for both: the same bounds, the same
fate by model. Said twice, and differently, it is an error that names both places.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.notes import Note
from pollux.wire.openai.chat import ChatCompletionRequest

SAME_AS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "candidate_count": "n",
        "max_output_tokens": "max_completion_tokens",
        "stop_sequences": "stop",
        "seed": "seed",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
        "response_logprobs": "logprobs",
        "logprobs": "top_logprobs",
        "response_modalities": "modalities",
    }
)
"""The parameter that says what a field says. Source: Gemini API, GenerationConfig; OpenAI API, Create chat completion."""

NATIVE = ("image_config", "media_resolution")
"""Fields that no parameter says: they go on as they are."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "thinking_config": "Give extra_body.google.thinking_config.",
        "response_mime_type": "Give response_format.",
        "response_schema": "Give response_format, with a JSON schema.",
        "response_json_schema": "Give response_format, with the schema.",
        "_response_json_schema": "Give response_format, with the schema.",
        "response_format": "Give the parameter response_format.",
        "speech_config": "Give modalities and audio.",
    }
)
"""Fields that are refused, since the answer would be another without them; and what to do."""

_KINDS: Mapping[str, Any] = MappingProxyType(
    {field.name: (*get_args(field.type), field.type)[0] for field in msgspec.structs.fields(ChatCompletionRequest)}
    | {"stop": list[str], "modalities": list[str]}
)
"""What a parameter holds; null is absence and gets no further."""


def merged(request: ChatCompletionRequest, config: dict[str, tuple[Any, str]], notes: list[Note]) -> ChatCompletionRequest:
    """Give the request with what a generation config says. `config` holds each field in snake case, its value and its place.

    Raises InvalidRequest, naming the place, and where they differ the parameter too.
    """
    said: dict[str, Any] = {}
    for name, (value, path) in config.items():
        if name in ELSEWHERE:
            raise Unsupported(f"{path} is not taken. {ELSEWHERE[name]}", param=path)
        param = SAME_AS.get(name)
        if name in NATIVE:
            continue
        if param is None:
            notes.append(Note(path, "ignored", "there is no such field for chat completions"))
            continue
        said[param] = _converted(value, param, path)
        for other in ("max_tokens", param) if param == "max_completion_tokens" else (param,):
            own = getattr(request, other)
            own = [own] if other == "stop" and isinstance(own, str) else own
            if own is not None and own != said[param]:
                raise InvalidRequest(f"{other} and {path} say different things; give one of them.", param=other)
    return msgspec.structs.replace(request, **said)


def _converted(value: Any, param: str, path: str) -> Any:
    try:
        converted = msgspec.convert(value, _KINDS[param])
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{path}: {error}.", param=path, code="invalid_type") from None
    return [each.lower() for each in converted] if param == "modalities" else converted
