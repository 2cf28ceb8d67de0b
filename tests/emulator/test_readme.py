"""Every example of the emulator's README works as it stands."""

import re
import shlex
from pathlib import Path

import pytest

import pollux.emulator
from pollux.emulator import Emulator, Script, faults
from pollux.emulator.errors import NativeError
from pollux.emulator.quotas import QUOTAS
from tests.emulator.in_process import call

README = (Path(pollux.emulator.__file__).parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str) -> None:
    """With their own assertions."""
    assert "assert" in code
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("command", blocks("sh"))
async def test_curl_examples_are_answered(command: str) -> None:
    """With 200, by an emulator in its first state."""
    words = shlex.split(command.replace("\\\n", " "))
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    data = [words[i + 1].encode() for i, word in enumerate(words) if word == "-d"]
    target = next(word for word in words if word.startswith("http://")).removeprefix("http://127.0.0.1:8081")
    method = "POST" if data else "GET"
    reply = await call(Emulator(), target, b"".join(data), method=method, headers=headers, key="")

    assert reply.status == 200
    assert reply.body


@pytest.mark.parametrize(("language", "count"), [("toml", 3), ("json", 6)])
def test_scripts_load(tmp_path: Path, language: str, count: int) -> None:
    """As files of that ending."""
    path = tmp_path / f"script.{language}"
    path.write_text(blocks(language)[0])

    assert len(Script.load(path).entries) == count


async def test_the_scripts_answer_as_the_text_says(tmp_path: Path) -> None:
    """The retry succeeds, the strict miss is told."""
    path = tmp_path / "script.toml"
    path.write_text(blocks("toml")[0])
    emulator = Emulator(script=path)
    body = {"contents": [{"parts": [{"text": "try"}]}]}
    statuses = [(await call(emulator, body=body, headers={"x-test": "retry"})).status for _ in range(3)]
    miss = await call(emulator, body=body)

    assert statuses == [503, 200, 200]
    assert miss.status == 501
    assert "- greeting: the last user text does not contain 'hello'" in miss.message


FAULTS = re.findall(r"^    x-emulator-fault: (.*)$", README, re.MULTILINE)


def test_the_readme_shows_faults() -> None:
    """The list below is not empty by mistake."""
    assert len(FAULTS) > 10


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_examples_are_understood(fault: str) -> None:
    """And make an error where they name a status."""
    parsed = faults.parse(fault)

    assert parsed != faults.Fault()
    assert isinstance(faults.error_of(parsed, "m", "v1beta", "generateContent"), NativeError)


def test_every_directive_and_reason_is_in_the_readme() -> None:
    """What can be asked for is written down."""
    directives = [name.replace("_", "-") for name in faults.Fault.__struct_fields__]
    reasons = [name for names in faults.REASONS.values() for name in names]

    assert [name for name in directives if not re.search(rf"`{name}[=`]", README)] == []
    assert [name for name in reasons if f"`{name}`" not in README] == []
    assert [name for name in QUOTAS if f"`{name}`" not in README] == []
