"""`pollux explain`: what it prints is what the server would send and report; nothing is sent, nothing is asked for."""

import io
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pollux.cli.main import main
from pollux.settings import RETIRED_MODELS
from tests.judges import pairs

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HELLO: dict[str, Any] = {"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": "Hello"}]}
LOSSY = HELLO | {"logit_bias": {"1": 2}, "seed": 2**40, "top_a": 1}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be opened."""

    def refuse(*_: object) -> None:
        raise AssertionError("nothing is sent")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file for the request."""
    return tmp_path / "request.json"


def explained(file: Path, request: Any, *flags: str) -> int:
    """Write a request and explain it."""
    file.write_bytes(msgspec.json.encode(request))
    return main(["explain", *flags, str(file)])


CASES = [  # but those that need what only a server has: its memory, what it fetched
    case
    for case in pairs.cases("chat/requests")
    if not any((case.folder / name).exists() for name in ("remembered.json", "media.json"))
    and "gemini.json" in case.golden()
    and msgspec.json.decode(case.given("openai.json"))["model"] not in RETIRED_MODELS
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_prints_what_the_pairs_show(case: pairs.Case, capsys: pytest.CaptureFixture[str]) -> None:
    """The body of every golden request, its model in the address, and its notes."""
    code = main(["explain", "--json", str(case.folder / "openai.json")])
    shown = msgspec.json.decode(capsys.readouterr().out)
    golden = msgspec.json.decode(case.golden()["gemini.json"])
    notes = msgspec.json.decode(case.golden().get("notes.json", b"[]"))

    assert code == 0
    assert f"/v1beta/{golden.pop('model')}:" in shown["url"]
    assert shown["body"] == golden
    assert [{key: loss[key] for key in ("param", "fate", "why")} for loss in shown["losses"]] == notes


def test_people_see_the_address_the_body_and_the_losses(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In this order, with the header that the server would send."""
    code = explained(written, LOSSY | {"stream": True, "n": 2})
    shown = capsys.readouterr().out

    assert code == 0
    assert shown.startswith(
        "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-3.6-flash:streamGenerateContent?alt=sse\n{\n"
    )
    assert "Sent 2 times, once for each answer." in shown
    assert "  seed approximated: the native API takes 32 bits\n" in shown
    assert shown.endswith("x-pollux-losses: unknown=ignored, logit_bias=ignored, seed=approximated\n")


def test_nothing_lost_is_said_too(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line instead of the list."""
    code = explained(written, HELLO)

    assert code == 0
    assert capsys.readouterr().out.endswith("Nothing is lost.\n")


def test_media_are_named_and_not_fetched(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in the request is shortened for people; what lies elsewhere is said, and left there."""
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}},
        {"type": "file", "file": {"file_id": "file-123"}},
    ]
    code = explained(written, HELLO | {"messages": [{"role": "user", "content": parts}]})
    shown = capsys.readouterr().out

    assert code == 0
    assert PNG not in shown
    assert "messages[0].content[0].image_url: stands in the request" in shown
    assert "messages[0].content[1].image_url: the server would fetch https://images.example/a.png" in shown
    assert "messages[0].content[2].file: the server would look up file-123" in shown


def test_another_model_shows_another_fate(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same request, on a family that takes the parameter and on one that does not."""
    explained(written, HELLO | {"temperature": 0.5}, "--json")
    ignored = msgspec.json.decode(capsys.readouterr().out)
    explained(written, HELLO | {"temperature": 0.5}, "--json", "--model", "gemini-3.5-flash")
    mapped = msgspec.json.decode(capsys.readouterr().out)

    assert ignored["header"] == "temperature=ignored"
    assert "generationConfig" not in ignored["body"]
    assert mapped["header"] == ""
    assert mapped["body"]["generationConfig"] == {"temperature": 0.5}


def test_strict_refuses_as_the_server_does(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the message that names every loss."""
    code = explained(written, LOSSY, "--strict")
    shown = capsys.readouterr()

    assert code == 1
    assert shown.out == ""
    assert all(name in shown.err for name in ("top_a", "logit_bias", "seed"))


def test_an_alias_is_shown(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Offline nobody knows what the upstream lists, so that is said."""
    explained(written, HELLO | {"model": "gemini-2.5-flash"})

    assert (
        "model approximated: gemini-3.6-flash answers for gemini-2.5-flash, unless the upstream lists"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no body"),
        (b"{", "not valid JSON"),
        (b"\xff", "not"),
        (b'{"model": "m"}', "messages is missing"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "n": 1000}', "n must be between 1 and 8"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}', "not valid JSON"),
        (b'{"model": "../m", "messages": [{"role": "user", "content": "a"}]}', "no model"),
    ],
)
def test_a_bad_request_is_told_as_the_server_tells_it(
    body: bytes, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From standard input, for people and as JSON."""
    for flags in ([], ["--json"]):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(body)))
        code = main(["explain", *flags, "-"])
        shown = capsys.readouterr()

        assert code == 1
        assert told in (msgspec.json.decode(shown.out)["body"]["error"]["message"] if flags else shown.err)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2: asked wrongly."""
    code = main(["explain", str(tmp_path / "nothing.json")])

    assert code == 2
    assert "nothing.json cannot be read: No such file or directory." in capsys.readouterr().err
