"""The error tables against the pairs: every row is shown by one."""

import re

import msgspec
import pytest

from pollux.translate import failures
from tests.judges import pairs

NATIVE = {case.name: msgspec.json.decode(case.given("gemini.json")) for case in pairs.cases("failures")}
TEXTS = {name: msgspec.json.encode(given["body"]).decode() for name, given in NATIVE.items()}


@pytest.mark.parametrize("status", failures.STATUS)
def test_every_native_status_has_a_pair(status: str) -> None:
    """A pair shows what the status word means."""
    assert any(f'"status":"{status}"' in text for text in TEXTS.values())


@pytest.mark.parametrize("reason", failures.REASON)
def test_every_reason_has_a_pair(reason: str) -> None:
    """A pair shows what the reason of an ErrorInfo means."""
    assert any(f'"reason":"{reason}"' in text for text in TEXTS.values())


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in failures.PATTERNS])
def test_every_message_pattern_has_a_pair(pattern: str) -> None:
    """A pair has a message that the pattern reads."""
    assert any(re.search(pattern, text) for text in TEXTS.values())


def test_a_message_is_read_only_where_the_service_gives_no_reason() -> None:
    """Words of another error in a message change nothing under a status whose messages are not read."""
    body = b'{"error":{"code":503,"message":"API key not valid. Please pass a valid API key.","status":"UNAVAILABLE"}}'

    assert failures.from_gemini(503, body).status == 503


def test_a_very_long_message_is_cut() -> None:
    """A message is passed on up to a length."""
    body = msgspec.json.encode({"error": {"code": 400, "message": "x" * 9000, "status": "INVALID_ARGUMENT"}})

    assert failures.from_gemini(400, body).message == "x" * failures.MESSAGE_CHARACTERS_MAX


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"[[]]", b"{}", b'{"error":"text"}', b'{"error":{"details":[1]}}', b"\xff\xfe", b"{" * 5000],
    ids=["empty", "null", "list", "list_of_lists", "object", "text", "odd_details", "bytes", "deep"],
)
def test_a_body_that_is_no_error_leaves_the_status(body: bytes) -> None:
    """Whatever the body is, the HTTP status still means what it means."""
    error = failures.from_gemini(503, body)

    assert (error.status, error.code) == (503, "overloaded")


@pytest.mark.parametrize(
    "details",
    [
        [{"@type": "x", "reason": 7}],
        [{"@type": "x", "reason": ["API_KEY_INVALID"]}],
        [{"@type": "x", "violations": 7}],
        [{"@type": "x", "violations": [None]}],
        [{"@type": "x", "retryDelay": 7}],
        [{"@type": "x", "retryDelay": "soon"}],
        [{"@type": 7}],
        [{"@type": ["x"]}],
    ],
    ids=str,
)
def test_details_of_odd_types_do_no_harm(details: list[object]) -> None:
    """Details are read as far as they are what is known; the rest changes nothing."""
    body = {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED", "details": details}}
    error = failures.from_gemini(429, msgspec.json.encode(body))

    assert (error.status, error.retry_after_seconds) == (429, None)
