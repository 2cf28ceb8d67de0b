"""`pollux doctor`, without a network: the upstream is the emulator, or nothing."""

import stat
from pathlib import Path

import pytest

from pollux.cli import doctor
from pollux.cli.doctor import Finding
from pollux.cli.main import main
from pollux.emulator.serving import EmulatorServer
from pollux.server.serving import bind
from pollux.upstream.http import HttpReply

INVALID_KEY = (
    b'{"error": {"code": 400, "message": "API key not valid: secret-key", "status": "INVALID_ARGUMENT", "details": '
    b'[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}}'
)
NO_KEY = b'{"error": {"code": 403, "message": "Method doesn\'t allow unregistered callers.", "status": "PERMISSION_DENIED"}}'
QUOTA = b'{"error": {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}}'


def diagnosed(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, str]]:
    """Run doctor; give its exit code and its lines by subject, each beginning with its level."""
    code = main(["doctor", "--port", "0", *flags])
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    return code, {subject: f"{level} {text}" for level, subject, text in lines}


def test_a_sound_installation_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """With the emulator nothing is missing, and nothing is asked over the network."""
    code, found = diagnosed(capsys, "--upstream", "emulator")

    assert code == 0
    assert set(found) == {"versions", "settings", "upstream", "keys", "data", "port"}
    assert all(text.startswith("ok ") for text in found.values())


def test_a_mistake_in_the_settings_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is looked at that depends on them."""
    code, found = diagnosed(capsys, "--upstream", "openai")

    assert code == 1
    assert found["settings"].startswith("bad ")
    assert "port" not in found


def test_the_upstream_is_asked(capsys: pytest.CaptureFixture[str], emulator: EmulatorServer) -> None:
    """Without a key of the server it is fine that the upstream wants one."""
    code, found = diagnosed(capsys, "--upstream-url", emulator.url)

    assert code == 0
    assert found["name"].startswith("ok ")
    assert found["network"].startswith(f"ok {emulator.url} answered in ")
    assert found["key"] == "ok none here, as it should be: callers bring theirs"


def test_an_accepted_key_is_ok_and_never_shown(
    capsys: pytest.CaptureFixture[str], emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to the upstream only."""
    monkeypatch.setenv("GEMINI_API_KEY", "secret-key")
    code, found = diagnosed(capsys, "--upstream-url", emulator.url)

    assert code == 0
    assert found["key"] == "ok the server's Gemini key is accepted"
    assert "for programs on this machine only" in found["keys"]
    assert "secret-key" not in str(found)


def test_an_unreachable_upstream_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says why, the next line what to do."""
    code, found = diagnosed(capsys, "--upstream-url", "http://127.0.0.1:9")

    assert code == 1
    assert found["network"].startswith("bad Could not connect to 127.0.0.1:9")


def test_an_unknown_name_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before a connection is tried."""

    def unknown(*_arguments: object, **_named: object) -> None:
        raise OSError

    monkeypatch.setattr("pollux.cli.doctor.socket.getaddrinfo", unknown)
    finding = doctor._address("gemini.invalid", 443)

    assert finding.level == "bad"
    assert "gemini.invalid is not found" in finding.text


def test_a_proxy_for_this_machine_is_warned_of(
    capsys: pytest.CaptureFixture[str], emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to the upstream is shown without the proxy's password."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:password@127.0.0.1:9")
    code, found = diagnosed(capsys, "--upstream-url", emulator.url)

    assert code == 1
    assert found["proxy"].startswith("warn ")
    assert "password" not in str(found)


def test_a_taken_port_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    """Something else listens there."""
    with bind("127.0.0.1", 0) as listener:
        port = str(listener.getsockname()[1])
        code, found = diagnosed(capsys, "--upstream", "emulator", "--port", port)

    assert code == 1
    assert found["port"].startswith(f"bad Port {port}")


def test_a_pollux_on_the_port_is_a_warning(capsys: pytest.CaptureFixture[str], base_url: str) -> None:
    """It may well be the one that is wanted."""
    port = base_url.removesuffix("/v1").rpartition(":")[2]
    code, found = diagnosed(capsys, "--upstream", "emulator", "--port", port)

    assert code == 0
    assert found["port"] == f"warn A Pollux answers on port {port} already."


def test_a_data_folder_that_cannot_be_made_is_bad(tmp_path: Path) -> None:
    """A file stands where a folder should be, or the folder above is closed."""
    (tmp_path / "file").touch()
    closed = tmp_path / "closed"
    closed.mkdir()

    assert doctor._data_folder(tmp_path / "file" / "data").level == "bad"
    assert doctor._data_folder(tmp_path / "new" / "data") == Finding("ok", "data", f"{tmp_path}/new/data (made at first start)")
    assert not (tmp_path / "new").exists()
    closed.chmod(stat.S_IRUSR)
    assert doctor._data_folder(closed / "data").level in {"bad", "ok"}  # root may write everywhere


@pytest.mark.parametrize(
    ("status", "body", "key", "level", "said"),
    [
        (400, INVALID_KEY, "secret-key", "bad", "not accepted"),
        (403, NO_KEY, "", "ok", "callers bring theirs"),
        (403, NO_KEY, "secret-key", "bad", "may not do this"),
        (429, QUOTA, "secret-key", "warn", "a quota is used up"),
        (503, b"", "secret-key", "warn", "status 503"),
        (404, b"<html>", "secret-key", "bad", "status 404"),
    ],
)
def test_what_the_upstream_says_of_the_key(status: int, body: bytes, key: str, level: str, said: str) -> None:
    """Each answer has its meaning, and none shows the key."""
    (finding,) = doctor._accepted(HttpReply(status, {}, body), key)

    assert finding.level == level
    assert said in finding.text
    assert "secret-key" not in str(finding)
