"""A real PostgreSQL for tests: Debian's programs, in a temporary folder, reached by a Unix socket.

`initdb` and `postgres` refuse to run as root, so for root they run as `nobody`. The server is stopped by its process id.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

START_SECONDS = 60
OPTIONS = ("-c", "listen_addresses=", "-c", "max_connections=200", "-c", "fsync=off")


def programs() -> Path | None:
    """Give the folder of PostgreSQL's programs: the newest of Debian's, or where `initdb` is found; None without one."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if debian:
        return debian[-1]
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgresServer:
    """A server of one test run. As a context it runs; `stop` and `start` make it go away and come back."""

    def __init__(self, bin_folder: Path) -> None:
        self._bin = bin_folder
        self._folder = Path(tempfile.mkdtemp(prefix="pollux-pg-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def stopped(self) -> bool:
        """Whether it does not run now."""
        return self._process is None

    def url(self, database: str = "postgres") -> str:
        """Give the URL of a database."""
        return f"postgresql://pollux@/{database}?host={self._folder}"

    def create(self, database: str) -> str:
        """Make an empty database and give its URL."""
        self._run("createdb", "-h", str(self._folder), "-U", "pollux", database)
        return self.url(database)

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_other(), str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._folder), *OPTIONS],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while self._ready().returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once, as an operator does for a restart: connections are cut, what is committed stays."""
        if self._process is not None:
            os.kill(self._postmaster(), how)
            self._process.wait(START_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self._folder, "nobody")
        self._folder.chmod(0o755)
        self._run("initdb", "-D", str(self._data), "-U", "pollux", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)  # without writing out what is thrown away anyway
        shutil.rmtree(self._folder)

    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _ready(self) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(self._bin / "pg_isready"), "-q", "-h", str(self._folder), "-U", "pollux"], capture_output=True, check=False
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_as_other(), str(self._bin / program), *arguments], capture_output=True, check=False, cwd=self._folder
        )
        assert done.returncode == 0, done.stderr.decode()


def _as_other() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--pdeathsig=INT", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
