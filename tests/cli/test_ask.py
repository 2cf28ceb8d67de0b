"""`pollux ask`, over HTTP to a real server on loopback."""

import io
import sys

import pytest

from pollux.cli.main import main


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_answer_is_printed(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The text and one line end, nothing else."""
    code = main(["ask", "--base-url", base_url, "Why is the sky blue?"])
    captured = capsys.readouterr()

    assert code == 0
    assert "Why is the sky blue?" in captured.out
    assert captured.out.endswith("\n")
    assert captured.err == ""


def test_model_system_and_effort_are_passed_on(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The emulator tells what arrived."""
    flags = ["--model", "gemini-3.5-flash", "--system", "Be brief.", "--effort", "low"]
    code = main(["ask", "--base-url", base_url, *flags, "hello"])
    shown = capsys.readouterr().out

    assert code == 0
    assert "gemini-3.5-flash" in shown
    assert "Be brief." in shown


def test_the_question_may_come_from_standard_input(
    base_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For what is long, or comes out of another program."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe"))
    code = main(["ask", "--base-url", base_url, "-"])

    assert code == 0
    assert "from a pipe" in capsys.readouterr().out


def test_an_empty_question_is_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """It is most likely a broken pipe line."""
    assert main(["ask", "  "]) == 2
    assert "The question is empty." in capsys.readouterr().err


def test_no_server_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the address and the command that starts a server."""
    code = main(["ask", "--base-url", "http://127.0.0.1:9/v1", "hello"])
    captured = capsys.readouterr()

    assert code == 1
    assert captured.err.startswith("pollux: No server answers at http://127.0.0.1:9/v1.")
    assert "pollux serve" in captured.err
    assert captured.out == ""


def test_a_proxy_is_not_asked_for_this_machine(
    base_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's proxy in the environment does not hide the server on loopback."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert main(["ask", "--base-url", base_url, "hello"]) == 0
    assert "hello" in capsys.readouterr().out


def test_an_unknown_model_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the server's own message."""
    code = main(["ask", "--base-url", base_url, "--model", "gemini-0", "hello"])

    assert code == 1
    assert "gemini-0" in capsys.readouterr().err


def test_a_wrong_base_url_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without /v1 is the usual mistake."""
    code = main(["ask", "--base-url", base_url.removesuffix("/v1"), "hello"])

    assert code == 1
    assert "OpenAI's API is under /v1" in capsys.readouterr().err


def test_an_error_of_the_upstream_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its message, on standard error."""
    code = main(["ask", "--base-url", base_url, "be busy"])
    captured = capsys.readouterr()

    assert code == 1
    assert "Overloaded." in captured.err
    assert captured.out == ""


def test_an_answer_that_breaks_off_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What came is shown, and then that it is not all."""
    code = main(["ask", "--base-url", base_url, "break off"])
    captured = capsys.readouterr()

    assert code == 1
    assert captured.out == "half an\n"
    assert captured.err.startswith("pollux: ")


def test_an_answer_that_was_cut_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit reached is no failure, but no whole answer either."""
    code = main(["ask", "--base-url", base_url, "be long"])
    captured = capsys.readouterr()

    assert code == 0
    assert captured.out == "cut short\n"
    assert "was cut" in captured.err


def test_a_terminal_is_not_steered_by_the_model(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences are left out where they would act, and kept where bytes are wanted."""
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["ask", "--base-url", base_url, "in colour"]) == 0

    assert terminal.getvalue() == "[31mred and plain\n"
    assert file.getvalue() == "\x1b[31mred and plain\n"
