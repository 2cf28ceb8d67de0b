"""The Node tooling: scripts run with the pinned clients, apart from the developer's shell, and npm's failures are told."""

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tools import node

BROKEN_LOCK = "{broken"


def test_a_script_imports_the_pinned_clients() -> None:
    """Source text is a module that finds the clients; their versions are those of package.json."""
    pinned = msgspec.json.decode((node.MANIFEST / "package.json").read_bytes())["dependencies"]

    done = node.run_script("""
        import { readFileSync } from "node:fs";
        import OpenAI from "openai";
        import { zodResponseFormat } from "openai/helpers/zod";
        import { GoogleGenAI } from "@google/genai";
        import { z } from "zod";
        const versions = {};
        for (const name of ["@ai-sdk/openai-compatible", "@google/genai", "ai", "openai", "zod"])
          versions[name] = JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
        const schema = zodResponseFormat(z.object({ name: z.string() }), "event").json_schema.schema;
        console.log(JSON.stringify({ versions, kinds: [typeof OpenAI, typeof GoogleGenAI, schema.type] }));
    """)

    assert done.returncode == 0, done.stderr
    answer = msgspec.json.decode(done.stdout)
    assert answer["versions"] == pinned
    assert answer["kinds"] == ["function", "function", "object"]


def test_node_is_new_enough() -> None:
    """The clients need Node 22 or newer."""
    done = subprocess.run([node.node(), "--version"], capture_output=True, text=True, check=True)

    assert int(done.stdout.removeprefix("v").split(".")[0]) >= 22


def test_a_script_file_runs_in_the_given_folder_with_the_given_environment(tmp_path: Path) -> None:
    """A Path is read as a file; cwd and env arrive; what the script prints and its exit code come back."""
    script = tmp_path / "sample.mjs"
    script.write_text(
        'console.log(process.cwd(), process.env.GIVEN, "ไทย"); console.error("oops"); process.exit(3);', encoding="utf-8"
    )

    done = node.run_script(script, env={"GIVEN": "yes"}, cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path} yes ไทย\n", "oops\n")


def test_a_script_does_not_see_the_developers_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, NODE_OPTIONS and keys of the shell stay outside; a broken NODE_OPTIONS does no harm."""
    for name in ("HTTPS_PROXY", "http_proxy", "NODE_OPTIONS", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "--no-such-thing")

    done = node.run_script("console.log(Object.keys(process.env).sort().join())")

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.strip().split(",")) <= set(node.PASSED_ON)


def test_a_script_that_hangs_is_ended() -> None:
    """The time limit ends the process and is told as TimeoutExpired."""
    started = time.monotonic()

    with pytest.raises(subprocess.TimeoutExpired):
        node.run_script("setInterval(() => {}, 1000)", timeout_seconds=1)

    assert time.monotonic() - started < 20


def test_the_lock_names_no_registry() -> None:
    """Whoever installs uses the registry of their own settings; the contents are held by their hashes."""
    text = (node.MANIFEST / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: entry for name, entry in msgspec.json.decode(text)["packages"].items() if name}

    assert "resolved" not in text
    assert "://" not in text
    assert all("integrity" in entry for entry in packages.values())


def test_npms_failure_is_told(tmp_path: Path) -> None:
    """A lock that npm refuses gives NodeToolsError with npm's own words, and leaves no half install."""
    _manifest(tmp_path / "manifest", lock=BROKEN_LOCK)

    with pytest.raises(node.NodeToolsError, match=r"npm ci failed \(1\)[\s\S]*package-lock"):
        node._installed(tmp_path / "manifest", tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["install.lock"]


def test_parallel_callers_install_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file lock lets one caller install; the others wait for it and take its result."""
    installs: list[Path] = []

    def install(folder: Path) -> None:
        installs.append(folder)
        time.sleep(0.2)
        (folder / "node_modules").mkdir()

    monkeypatch.setattr(node, "_npm_ci", install)
    _manifest(tmp_path / "manifest", lock=BROKEN_LOCK)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: node._installed(tmp_path / "manifest", tmp_path / "cache"), range(4)))

    assert len(installs) == 1
    assert set(found) == {tmp_path / "cache" / node._fingerprint(tmp_path / "manifest") / "node_modules"}
    assert found[0].is_dir()


def test_an_install_is_used_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed already is found without npm."""
    _manifest(tmp_path / "manifest", lock=BROKEN_LOCK)
    there = tmp_path / "cache" / node._fingerprint(tmp_path / "manifest") / "node_modules"
    there.mkdir(parents=True)
    monkeypatch.setattr(node, "_npm_ci", lambda _: os.abort())

    assert node._installed(tmp_path / "manifest", tmp_path / "cache") == there


def _manifest(folder: Path, *, lock: str) -> None:
    shutil.copytree(node.MANIFEST, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "package-lock.json").write_text(lock, encoding="utf-8")
