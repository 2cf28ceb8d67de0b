"""A hundred real schemas: each converts, and the emulator's answer to it is valid for the original, by a second validator."""

from typing import Any

import msgspec
import pytest
from jsonschema.validators import validator_for

from pollux.emulator.app import Emulator
from pollux.errors import InvalidRequest
from pollux.translate import chat, schemas
from pollux.translate.profiles import profile
from pollux.translate.schema_trimming import with_trimmed_schemas
from pollux.wire.gemini.generate import GenerateContentRequest
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import playing
from tests.judges.google_document import plain
from tests.schemas import REFUSED, real_schemas, zod_schemas

MODEL = "gemini-3.6-flash"
REAL = {name: schema for name, schema in real_schemas().items() if name not in REFUSED}

emulator = Emulator()


async def answered(schema: Any) -> Any:
    """Ask the emulator for an answer that follows a schema."""
    asked = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Ann, 34, of Paris meets Bob on 2026-11-22 at https://example.com."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}},
    }
    request = msgspec.json.decode(msgspec.json.encode(asked), type=ChatCompletionRequest)
    native = chat.to_gemini(request, profile(MODEL)).native
    answer = await asked_of_the_emulator(native)
    if answer.status == 400:  # refused as too complex: the server asks once more, simpler
        simpler = with_trimmed_schemas(native)
        assert simpler is not None
        answer = await asked_of_the_emulator(simpler)
    assert answer.status == 200, answer.body
    [candidate] = answer.json["candidates"]
    return msgspec.json.decode("".join(part["text"] for part in candidate["content"]["parts"]))


async def asked_of_the_emulator(native: GenerateContentRequest) -> playing.Answer:
    """Send a native request."""
    path = f"/v1beta/models/{MODEL}:generateContent"
    return await playing.ask(emulator, "POST", path, plain(native), headers={"x-goog-api-key": "some-key-for-tests"})


TOLD_IN_PART = {
    "check-jsonschema github-actions": {
        "else.properties.outputs": "the branch is told as JSON, and refers to a definition that the words do not hold",
    },
    "check-jsonschema github-issue-forms": {
        "properties.body.items.allOf": "six conditions on one item, whose branches are too long to be told",
    },
}
"""Where an answer may break the original, by the place in it, and why: the condition cannot be said in the description.

Every other condition of every schema holds: what the service does not take is told in words, and the emulator reads them.
"""


def wrong(schema: Any, value: Any) -> list[str]:
    """Say what the second validator finds wrong: in the schema, at which place, what."""
    kind = validator_for(schema)
    errors = kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_schema_path))}: {error.json_path}: {error.message}"[:200] for error in errors]


@pytest.mark.parametrize("name", REAL)
async def test_a_real_schema_is_converted_and_answered(name: str) -> None:
    """The emulator sees the native schema alone; its answer is valid for the caller's, formats included."""
    found = wrong(REAL[name], await answered(REAL[name]))
    allowed = TOLD_IN_PART.get(name, {})

    assert [error for error in found if not error.startswith(tuple(allowed))] == []
    assert [place for place in allowed if not any(error.startswith(place) for error in found)] == [], "stale: take it out"


async def test_zod_s_schemas_are_converted_and_answered() -> None:
    """Both versions of zod, through the helper of the openai package and by zod 4 itself."""
    found = zod_schemas()
    failed = {name: errors for name, schema in found.items() if (errors := wrong(schema, await answered(schema)))}

    assert len(found) >= 60
    assert failed == {}


@pytest.mark.parametrize("name", REFUSED)
def test_some_are_refused_with_the_reason(name: str) -> None:
    """Schemas that refer to other files, and those of more than a megabyte."""
    with pytest.raises(InvalidRequest) as caught:
        schemas.native(msgspec.json.encode(real_schemas()[name]), "schema", [])

    assert REFUSED[name] in caught.value.message


def test_they_are_a_hundred() -> None:
    """As promised."""
    assert len(REAL) >= 100
