"""Which key the command line sends, and where."""

import pytest

from pollux.cli.calls import NO_KEY, failure, key_for

LOCAL = "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize(
    ("base_url", "environment", "key"),
    [
        (LOCAL, {}, NO_KEY),
        (LOCAL, {"GEMINI_API_KEY": "gemini"}, "gemini"),
        (LOCAL, {"GEMINI_API_KEY": "gemini", "POLLUX_API_KEY": "pollux"}, "pollux"),
        ("https://pollux.example/v1", {"GEMINI_API_KEY": "gemini"}, "gemini"),
        ("http://pollux.example/v1", {"GEMINI_API_KEY": "gemini"}, NO_KEY),
        ("http://pollux.example/v1", {"GEMINI_API_KEY": "gemini", "POLLUX_API_KEY": "pollux"}, "pollux"),
        (LOCAL, {"OPENAI_API_KEY": "openai"}, NO_KEY),
    ],
)
def test_a_gemini_key_stays_on_this_machine_or_under_tls(base_url: str, environment: dict[str, str], key: str) -> None:
    """And OpenAI's key is never sent: it would end at Google."""
    assert key_for(base_url, environment) == key


def test_a_refused_key_is_told_with_its_variables() -> None:
    """So that one knows where it came from."""
    error = failure(401, b'{"error": {"message": "Wrong key."}}')

    assert str(error) == "Wrong key. The key is read from POLLUX_API_KEY or GEMINI_API_KEY."


def test_an_answer_of_something_else_is_told() -> None:
    """A web page, for example."""
    assert "status 404" in str(failure(404, b"<html>"))
    assert "status 500" in str(failure(500, b'{"error": "no object"}'))
