"""The official client of Google, `google-genai`, drives the emulator over a port."""

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import Emulator, EmulatorServer

MODEL = "gemini-3-flash-preview"

SCRIPT = [
    {"match": {"text": "Say hello"}, "say": {"text": "Hello!"}},
    {"match": {"text": "block me"}, "say": {"blocked": "PROHIBITED_CONTENT"}},
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(Emulator(script=SCRIPT)) as running:
        yield running


@pytest.fixture(params=[None, "v1", "v1beta", "v1alpha"])
def client(request: pytest.FixtureRequest, server: EmulatorServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=server.url, api_version=request.param)
    with genai.Client(api_key="any-key", http_options=options) as opened:
        yield opened


def beta(server: EmulatorServer, key: str = "any-key", **headers: str) -> genai.Client:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=server.url, api_version="v1beta", headers=given))


def test_it_generates(client: genai.Client, server: EmulatorServer) -> None:
    """Text, usage, finish reason, ids; the default API version of the client is v1."""
    answer = client.models.generate_content(model=MODEL, contents="Say hello")

    assert answer.text == "Hello!"
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.prompt_token_count == 3
    assert answer.model_version == MODEL
    assert answer.response_id


def test_it_streams(client: genai.Client) -> None:
    """Several chunks, the last with the finish reason."""
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="write 80 words"))

    assert len(chunks) > 3
    assert len("".join(chunk.text or "" for chunk in chunks).split()) == 80
    assert chunks[-1].candidates is not None
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # google-genai's own
async def test_it_works_asynchronously(client: genai.Client) -> None:
    """Whole and streamed."""
    answer = await client.aio.models.generate_content(model=MODEL, contents="Say hello")
    texts = [chunk.text async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents="Say hello")]
    await client.aio.aclose()

    assert answer.text == "Hello!"
    assert "".join(text or "" for text in texts) == "Hello!"


def test_settings_arrive(server: EmulatorServer) -> None:
    """As the client spells them."""
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        max_output_tokens=5000,
        stop_sequences=["END"],
        seed=7,
        safety_settings=[
            types.SafetySetting(
                category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE
            )
        ],
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW, include_thoughts=True),
        labels={"team": "a"},
    )
    with beta(server) as opened:
        answer = opened.models.generate_content(model=MODEL, contents="What arrived?", config=config)

    assert "The system instruction is “Be brief.”." in (answer.text or "")
    assert "1 stop sequence; seed 7" in (answer.text or "")
    assert answer.candidates is not None
    assert answer.candidates[0].content is not None
    assert answer.candidates[0].content.parts is not None
    assert answer.candidates[0].content.parts[0].thought
    body = server.emulator.journal.entries()[-1]["body"]
    assert body["generationConfig"]["thinkingConfig"] == {"include_thoughts": True, "thinking_level": "LOW"}  # its own spelling


def test_a_chat_goes_on(server: EmulatorServer) -> None:
    """The history with its signatures is taken back."""
    with beta(server) as opened:
        chat = opened.chats.create(model="gemini-3.6-flash")
        chat.send_message("Say hello")
        streamed = "".join(chunk.text or "" for chunk in chat.send_message_stream("And now?"))

    assert "It received 3 messages, 2 from the user and 1 from the model." in streamed
    assert "thoughtSignature" in str(server.emulator.journal.entries()[-1]["body"])


def test_it_counts_tokens(client: genai.Client) -> None:
    """The number that a prompt then has."""
    counted = client.models.count_tokens(model=MODEL, contents="The quick brown fox jumps over the lazy dog.")
    answer = client.models.generate_content(model=MODEL, contents="The quick brown fox jumps over the lazy dog.")

    assert counted.total_tokens == 11
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.prompt_token_count == counted.total_tokens


def test_it_lists_and_gets_models(client: genai.Client) -> None:
    """Through all pages."""
    pager = client.models.list(config=types.ListModelsConfig(page_size=10))
    names = [model.name for model in pager]
    got = client.models.get(model=MODEL)

    assert f"models/{MODEL}" in names
    assert len(names) == len(set(names)) > 40
    assert got.input_token_limit == 1_048_576
    assert got.supported_actions is not None
    assert "generateContent" in got.supported_actions


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("status=429; quota=per-day", 429, "RESOURCE_EXHAUSTED"),
        ("status=503", 503, "UNAVAILABLE"),
        ("status=500", 500, "INTERNAL"),
        ("status=404", 404, "NOT_FOUND"),
    ],
)
def test_errors_are_understood(server: EmulatorServer, fault: str, code: int, status: str) -> None:
    """The client reads code, status and message, of whole answers and of streams."""
    with beta(server, x_emulator_fault=fault) as opened:
        with pytest.raises(errors.APIError) as whole:
            opened.models.generate_content(model=MODEL, contents="Hello")
        with pytest.raises(errors.APIError) as streamed:
            list(opened.models.generate_content_stream(model=MODEL, contents="Hello"))

    for caught in (whole, streamed):
        assert caught.value.code == code
        assert caught.value.status == status


def test_an_invalid_key_is_understood(server: EmulatorServer) -> None:
    """400, as the real service."""
    with beta(server, "invalid-key") as opened, pytest.raises(errors.ClientError, match="API key not valid") as caught:
        opened.models.generate_content(model=MODEL, contents="Hello")

    assert caught.value.code == 400


def test_an_error_inside_a_stream_is_understood(server: EmulatorServer) -> None:
    """Both forms of it: as an event and as bare JSON."""
    for fault in ("error-after=2; status=503", "error-after=2; status=503; raw"):
        texts = []
        with beta(server, x_emulator_fault=fault) as opened, pytest.raises(errors.ServerError) as caught:
            texts += [chunk.text for chunk in opened.models.generate_content_stream(model=MODEL, contents="write 90 words")]

        assert caught.value.code == 503


def test_retries_of_the_client_succeed(server: EmulatorServer) -> None:
    """A fault with `times` is over after them."""
    options = types.HttpOptions(
        base_url=server.url,
        headers={"x-emulator-fault": "status=503; times=2; id=retry"},
        retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02),
    )
    with genai.Client(api_key="any-key", http_options=options) as opened:
        answer = opened.models.generate_content(model=MODEL, contents="Say hello")

    assert answer.text == "Hello!"


def test_a_blocked_prompt_is_understood(server: EmulatorServer) -> None:
    """No candidates, a block reason."""
    with beta(server) as opened:
        answer = opened.models.generate_content(model=MODEL, contents="block me")

    assert answer.candidates is None
    assert answer.prompt_feedback is not None
    assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_a_tool_that_is_not_emulated_is_refused_clearly(server: EmulatorServer) -> None:
    """501, in the emulator's own words."""
    tool = types.Tool(computer_use=types.ComputerUse(environment=types.Environment.ENVIRONMENT_BROWSER))
    with beta(server) as opened, pytest.raises(errors.ServerError, match="limit of the emulator") as caught:
        opened.models.generate_content(model=MODEL, contents="Hello", config=types.GenerateContentConfig(tools=[tool]))

    assert caught.value.code == 501
