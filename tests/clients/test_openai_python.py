"""The official `openai` package for Python drives the server, on OpenAI's base and on Google's."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from pollux.media import audio, images
from tests.clients.conftest import Service

MODEL = "gemini-3.6-flash"
SKY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]

BRIEF: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be short."}, *SKY]


@pytest.fixture(params=["/v1", "/v1beta/openai/"])
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[OpenAI]:
    """The client as users make it: key and base URL."""
    with OpenAI(api_key="any-key-of-a-user", base_url=service.url + request.param) as made:
        yield made


@pytest.fixture
async def async_client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    """The asynchronous client."""
    async with AsyncOpenAI(api_key="any-key-of-a-user", base_url=service.url + "/v1") as made:
        yield made


def fault(text: str) -> dict[str, str]:
    """Ask the emulator for a fault."""
    return {"x-emulator-fault": text}


def test_a_completion(client: OpenAI) -> None:
    """Every field that the client's types promise is there, with the right type."""
    completion = client.chat.completions.create(model=MODEL, messages=SKY)
    [choice] = completion.choices

    assert completion.object == "chat.completion"
    assert completion.model == MODEL
    assert completion.id.startswith("chatcmpl-")
    assert abs(completion.created - time.time()) < 60
    assert completion._request_id is not None
    assert completion._request_id.startswith("req_")
    assert choice.message.role == "assistant"
    assert choice.message.content == "The sky is blue."
    assert choice.finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0
    assert ChatCompletion.model_validate(completion.model_dump(), strict=True) == completion


def test_the_usual_parameters_arrive(client: OpenAI, service: Service) -> None:
    """What the user set is what the native API is asked for."""
    client.chat.completions.create(
        model=f"models/{MODEL}",
        messages=BRIEF,
        max_completion_tokens=500,
        stop=["END"],
        seed=7,
        reasoning_effort="low",
        temperature=None,
    )
    [entry] = service.emulator.journal.entries()
    config = entry["body"]["generationConfig"]

    assert entry["model"] == MODEL
    assert entry["body"]["systemInstruction"]["parts"] == [{"text": "Be short."}]
    assert config["maxOutputTokens"] == 500
    assert config["stopSequences"] == ["END"]
    assert config["seed"] == 7
    assert config["thinkingConfig"] == {"thinkingLevel": "LOW"}


@pytest.mark.parametrize(
    ("text", "reason", "error"),
    [
        ("a long story", "length", openai.LengthFinishReasonError),
        ("something forbidden", "content_filter", openai.ContentFilterFinishReasonError),
    ],
)
def test_an_answer_that_did_not_end_well_says_why(
    client: OpenAI, text: str, reason: str, error: type[openai.OpenAIError]
) -> None:
    """Whole and streamed alike; the helper knows the reason and raises its own error."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    completion = client.chat.completions.create(model=MODEL, messages=messages)
    chunks = list(client.chat.completions.create(model=MODEL, messages=messages, stream=True))
    with client.chat.completions.stream(model=MODEL, messages=messages) as stream, pytest.raises(error):
        stream.get_final_completion()

    assert completion.choices[0].finish_reason == reason
    assert chunks[-1].choices[0].finish_reason == reason


def test_a_stream(client: OpenAI) -> None:
    """Joined, the pieces are the answer; the usage comes when it is asked for."""
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=SKY, stream=True, stream_options={"include_usage": True})
    )
    pieces = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]

    assert pieces == ["The sky", " is", " blue."]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


def test_the_stream_helper_accumulates(client: OpenAI) -> None:
    """`.stream()` joins strings and adds numbers: its final completion equals the whole answer."""
    whole = client.chat.completions.create(model=MODEL, messages=SKY)
    with client.chat.completions.stream(model=MODEL, messages=SKY, stream_options={"include_usage": True}) as stream:
        events = list(stream)
        final = stream.get_final_completion()

    assert "".join(event.delta for event in events if event.type == "content.delta") == "The sky is blue."
    assert [event.content for event in events if event.type == "content.done"] == ["The sky is blue."]
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].message.role == "assistant"
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason
    assert final.object == "chat.completion"
    assert final.model == whole.model
    assert final.usage == whole.usage


def test_raw_responses(client: OpenAI) -> None:
    """Headers are readable, and the body parses as it does without them."""
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=SKY)
    streamed = client.chat.completions.with_raw_response.create(model=MODEL, messages=SKY, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed.parse() if chunk.choices)

    assert raw.status_code == 200
    assert raw.headers["x-pollux-upstream"] == "emulator"
    assert raw.request_id == raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.parse().choices[0].message.content == "The sky is blue."
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert text == "The sky is blue."


def test_streaming_responses(client: OpenAI) -> None:
    """The body can be read by lines, as it comes."""
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=SKY, stream=True) as http_response:
        lines = [line for line in http_response.iter_lines() if line]
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=SKY) as http_response:
        completion = http_response.parse()

    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert completion.choices[0].message.content == "The sky is blue."


def test_models(client: OpenAI) -> None:
    """The list, and one model by its bare and its native name."""
    listed = {model.id: model for model in client.models.list()}
    bare, native = client.models.retrieve(MODEL), client.models.retrieve(f"models/{MODEL}")

    assert MODEL in listed
    assert not [name for name in listed if name.startswith("models/")]
    assert {model.object for model in listed.values()} == {"model"}
    assert all(model.created > 0 and model.owned_by for model in listed.values())
    assert bare.id == native.id == MODEL
    assert bare == native == listed[MODEL]


def test_the_bare_path_of_the_guide(service: Service) -> None:
    """With base `/v1beta/` every chunk has a usage that can be dumped."""
    with OpenAI(api_key="any", base_url=service.url + "/v1beta/") as client:
        stream = client.chat.completions.create(model=MODEL, messages=SKY, stream=True, stream_options={"include_usage": True})
        usages = [chunk.usage.to_dict() for chunk in stream if chunk.usage is not None]
        whole = client.chat.completions.create(model=MODEL, messages=SKY)

    assert len(usages) >= 5
    assert {usage["total_tokens"] for usage in usages[:-1]} == {0}
    assert whole.usage is not None
    assert usages[-1]["total_tokens"] == whole.usage.total_tokens


ERRORS: list[tuple[str, type[openai.APIStatusError], int, str]] = [
    ("status=400; reason=invalid-argument", openai.BadRequestError, 400, "invalid_value"),
    ("status=400; reason=context", openai.BadRequestError, 400, "context_length_exceeded"),
    ("status=400; reason=invalid-key", openai.AuthenticationError, 401, "invalid_api_key"),
    ("status=403; reason=denied", openai.PermissionDeniedError, 403, "permission_denied"),
    ("status=404; reason=unknown-model", openai.NotFoundError, 404, "model_not_found"),
    ("status=429", openai.RateLimitError, 429, "rate_limit_exceeded"),
    ("status=500", openai.InternalServerError, 500, "server_error"),
    ("status=503", openai.InternalServerError, 503, "overloaded"),
    ("status=504", openai.InternalServerError, 504, "upstream_timeout"),
]


@pytest.mark.parametrize(("text", "kind", "status", "code"), ERRORS)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_are_of_their_class(
    service: Service, text: str, kind: type[openai.APIStatusError], status: int, code: str, streamed: bool
) -> None:
    """With code, type and request id; a message in the service's own words."""
    with (
        OpenAI(api_key="any", base_url=service.url + "/v1", max_retries=0) as client,
        pytest.raises(kind) as caught,
    ):
        client.chat.completions.create(model=MODEL, messages=SKY, stream=streamed, extra_headers=fault(text))
    error = caught.value

    assert type(error) is kind
    assert error.status_code == status
    assert error.code == code
    assert error.type
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert len(error.message) > len(f"Error code: {status} - ")


def test_a_bad_request_names_its_parameter(client: OpenAI, service: Service) -> None:
    """In `param`, as code reads it; it is not repeated and not paid for."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=SKY, temperature=5)
    with pytest.raises(openai.BadRequestError) as empty:
        client.chat.completions.create(model=MODEL, messages=[])

    assert caught.value.param == "temperature"
    assert caught.value.code == "invalid_value"
    assert empty.value.param == "messages"
    assert service.calls == 0


def test_an_unknown_model_and_an_unknown_path_are_not_found(client: OpenAI) -> None:
    """With codes that tell them apart."""
    with pytest.raises(openai.NotFoundError) as model:
        client.chat.completions.create(model="gpt-none", messages=SKY)
    with pytest.raises(openai.NotFoundError) as path:
        client.get("/assistants", cast_to=object)

    assert model.value.code == "model_not_found"
    assert path.value.code == "unsupported_endpoint"


def test_a_short_trouble_is_repeated_by_the_client(client: OpenAI, service: Service) -> None:
    """One 503, then all is well: two calls, and neither is ours."""
    answer = client.chat.completions.create(model=MODEL, messages=SKY, extra_headers=fault("status=503; times=1"))

    assert answer.choices[0].message.content == "The sky is blue."
    assert service.calls == 2


def test_the_client_waits_as_long_as_it_is_told(service: Service) -> None:
    """RetryInfo's delay arrives as `retry-after`, and the client obeys."""
    with OpenAI(api_key="any", base_url=service.url + "/v1") as client:
        began = time.monotonic()
        client.chat.completions.create(model=MODEL, messages=SKY, extra_headers=fault("status=429; retry-after=1.5; times=1"))
        took = time.monotonic() - began

    assert took >= 1.5
    assert service.calls == 2


def test_a_daily_quota_is_not_repeated(client: OpenAI, service: Service) -> None:
    """`x-should-retry: false` stops the client."""
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=SKY, extra_headers=fault("status=429; quota=per-day"))

    assert caught.value.response.headers["x-should-retry"] == "false"
    assert service.calls == 1


@pytest.mark.parametrize("text", ["error-after=1", "error-after=1; raw", "cut-after=1", "malformed-after=1"])
def test_a_stream_that_breaks_raises(client: OpenAI, service: Service, text: str) -> None:
    """What came is delivered, then APIError; no half answer passes for a whole one, and nothing is repeated."""
    pieces: list[str] = []
    stream = client.chat.completions.create(model=MODEL, messages=SKY, stream=True, extra_headers=fault(text))
    with pytest.raises(openai.APIError) as caught:
        pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    assert "".join(pieces) == "The sky"
    assert caught.value.message
    assert service.calls == 1


def test_a_client_that_waits_no_longer_ends_the_work(service: Service) -> None:
    """APITimeoutError for the user; the native call is left too."""
    with (
        OpenAI(api_key="any", base_url=service.url + "/v1", max_retries=0, timeout=0.5) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        client.chat.completions.create(model=MODEL, messages=SKY, extra_headers=fault("first-token-delay=20"))
    deadline = time.monotonic() + 5
    while not service.emulator.journal.entries()[0]["client_closed_early"] and time.monotonic() < deadline:
        time.sleep(0.02)
    [entry] = service.emulator.journal.entries()

    assert entry["client_closed_early"]


def test_a_stream_that_is_closed_ends_the_work(client: OpenAI, service: Service) -> None:
    """The user has read enough."""
    stream = client.chat.completions.create(
        model=MODEL, messages=SKY, stream=True, extra_headers=fault("stall-after=1; stall-for=20")
    )
    first = next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 5
    while not service.emulator.journal.entries()[0]["client_closed_early"] and time.monotonic() < deadline:
        time.sleep(0.02)

    assert first.choices[0].delta.role == "assistant"
    assert service.emulator.journal.entries()[0]["client_closed_early"]


async def test_the_asynchronous_client(async_client: AsyncOpenAI) -> None:
    """Whole, streamed, by the helper, models and errors."""
    whole = await async_client.chat.completions.create(model=MODEL, messages=SKY)
    pieces = [
        chunk.choices[0].delta.content or ""
        async for chunk in await async_client.chat.completions.create(model=MODEL, messages=SKY, stream=True)
    ]
    async with async_client.chat.completions.stream(model=MODEL, messages=SKY) as stream:
        final = await stream.get_final_completion()
    raw = await async_client.chat.completions.with_raw_response.create(model=MODEL, messages=SKY)
    models = [model.id async for model in async_client.models.list()]
    with pytest.raises(openai.NotFoundError):
        await async_client.models.retrieve("models/gemini-none")

    assert whole.choices[0].message.content == "The sky is blue."
    assert "".join(pieces) == final.choices[0].message.content == "The sky is blue."
    assert raw.headers["x-request-id"].startswith("req_")
    assert MODEL in models


async def test_many_at_once(async_client: AsyncOpenAI, service: Service) -> None:
    """Fifty callers at a time, whole and streamed, each gets an answer of its own."""

    async def one(number: int) -> Any:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"Tell me the number {number}-of-fifty."}]
        if number % 2:
            answer = await async_client.chat.completions.create(model=MODEL, messages=messages)
            return answer.choices[0].message.content
        stream = await async_client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    texts = await asyncio.gather(*(one(number) for number in range(50)))

    assert [f" {number}-of-fifty" in text for number, text in enumerate(texts)] == [True] * 50
    assert service.calls == 50


def test_embeddings(client: OpenAI) -> None:
    """The client asks for base64 by itself and decodes it; an explicit format is left alone; media make one vector."""
    usual = client.embeddings.create(model="gemini-embedding-2", input=["Hello", "World"], dimensions=768)
    plain = client.embeddings.create(model="gemini-embedding-2", input="Hello", dimensions=768, encoding_format="float")
    query = client.embeddings.create(
        model="gemini-embedding-001", input="Hello", extra_body={"extra_body": {"google": {"task_type": "RETRIEVAL_QUERY"}}}
    )

    assert [one.index for one in usual.data] == [0, 1]
    assert usual.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert usual.usage.prompt_tokens == usual.usage.total_tokens > 0
    assert len(query.data[0].embedding) == 3072
    assert CreateEmbeddingResponse.model_validate(usual.model_dump(), strict=True) == usual


async def test_embeddings_asynchronously(async_client: AsyncOpenAI) -> None:
    """More inputs than one native call takes."""
    answer = await async_client.embeddings.create(
        model="gemini-embedding-001", input=[f"{i}" for i in range(201)], dimensions=4
    )

    assert [one.index for one in answer.data] == list(range(201))


@pytest.mark.parametrize("to", ["wav", "mp3", "opus"])
def test_a_spoken_answer(client: OpenAI, to: str) -> None:
    """The client's own types hold the sound, whole and streamed, and the sound is there."""
    asked: dict[str, Any] = {
        "model": "gemini-3.8-flash-tts",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": to},
        "messages": [{"role": "user", "content": "Have a wonderful day!"}],
    }
    completion = client.chat.completions.create(**asked)
    whole = completion.choices[0].message.audio
    assert whole is not None
    deltas = [chunk.choices[0].delta.audio for chunk in client.chat.completions.create(**asked, stream=True)]
    streamed = b"".join([base64.b64decode(delta.data) for delta in deltas if delta is not None and delta.data])
    seconds = audio.duration(base64.b64decode(whole.data))

    assert whole.transcript == "Have a wonderful day!"
    assert whole.expires_at > time.time()
    assert seconds > 0.5
    assert audio.duration(streamed) == pytest.approx(seconds, abs=0.1)
    assert ChatCompletion.model_validate(completion.model_dump(), strict=True) == completion


def test_a_drawn_answer_is_edited(client: OpenAI) -> None:
    """Pictures come as clients of image models read them; sent back with the message, they are what is edited."""
    asked: list[Any] = [{"role": "user", "content": "A tiny red dot on white"}]
    create: Any = client.chat.completions.create
    first = create(model="gemini-nano-banana-2.1", modalities=["text", "image"], messages=asked).choices[0].message
    asked += [first.model_dump(exclude_none=True), {"role": "user", "content": "Make it blue"}]
    second = create(model="gemini-nano-banana-2.1", messages=asked).choices[0].message
    deltas = [chunk.choices[0].delta for chunk in create(model="gemini-nano-banana-2.1", messages=asked, stream=True)]
    streamed = [image for delta in deltas for image in (delta.model_extra or {}).get("images", [])]
    pictures = [base64.b64decode(made["image_url"]["url"].partition(",")[2]) for made in (first.images[0], second.images[0])]

    assert [images.header(picture).width for picture in pictures] == [1024, 1024]
    assert pictures[0] != pictures[1]
    assert streamed[0]["index"] == 0
    assert streamed[0]["image_url"] == second.images[0]["image_url"]
