"""Google's document as a judge of what batches send: the create, and every line of a native input."""

import msgspec
import pytest

from pollux.wire.gemini.batches import CreateBatch, InputConfig, NewBatch, RequestLine
from tests.judges import google_document, pairs, shared

shared.needed()

BUILT = {
    "chat/requests": "GenerateContentRequest",
    "embeddings/requests": "EmbedContentRequest",
}
CASES = {str(case): case for family in BUILT for case in pairs.cases(family) if "gemini.json" in case.golden()}


@pytest.mark.parametrize("message", ["BatchGenerateContentRequest", "AsyncBatchEmbedContentRequest"])
def test_the_create_is_native(message: str) -> None:
    """Unknown fields forbidden. The document requires the model, which the path names."""
    batch = NewBatch(display_name="pollux batch_x 0", input_config=InputConfig(file_name="files/abc"))
    sent = msgspec.to_builtins(CreateBatch(batch))

    assert google_document.document("").validate(message, sent) == []


@pytest.mark.parametrize("name", CASES, ids=str)
def test_the_request_of_a_line_is_native(name: str) -> None:
    """What a live request sends is what its line in a batch holds, without the model that the job's path names."""
    case = CASES[name]
    native = msgspec.json.decode(case.given("gemini.json"))
    for request in native.get("requests", [native]):
        line = RequestLine(key="0 0", request=msgspec.Raw(msgspec.json.encode(request | {"model": "models/any"})))
        held = msgspec.json.decode(msgspec.json.encode(line))["request"]

        assert google_document.document("").validate(BUILT[case.family], held) == []
