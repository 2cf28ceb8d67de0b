"""`pollux serve` as users start it: a process of its own with worker processes, and a data folder that outlives it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

START = "import sys; from pollux.cli.main import main; sys.exit(main())"
START_SECONDS = 30
STOP_SECONDS = 20
INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "TZ")


class Served:
    """A running server: its address, and its worker processes."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process = process
        self.url = url
        children = psutil.Process(process.pid).children()
        self.workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    @contextmanager
    def answered_by(self, number: int) -> Iterator[None]:
        """Let one worker alone answer: the others are stopped for that time."""
        others = [worker for i, worker in enumerate(self.workers) if i != number]
        for worker in others:
            worker.suspend()
        try:
            yield
        finally:
            for worker in others:
                worker.resume()

    def kill(self) -> None:
        """Kill everything at once, without a chance to write anything."""
        self.process.send_signal(signal.SIGKILL)
        for worker in self.workers:
            worker.kill()
        self.process.wait(STOP_SECONDS)


@contextmanager
def served(upstream_url: str, data: Path, *, workers: int = 2, **settings: str) -> Iterator[Served]:
    """Run the server on a free port until the block ends; it must start, and unless it was killed stop, without complaint."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment |= {"HOME": str(data), "POLLUX_DATA_DIR": str(data), "POLLUX_SHUTDOWN_GRACE_SECONDS": "0"}
    environment |= {f"POLLUX_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-c", START, "serve", "--port", "0", "--upstream", "emulator", "--upstream-url", upstream_url]
    log = data.with_name(f"{data.name}.log")
    with (
        log.open("a") as out,
        subprocess.Popen(
            [*command, "--workers", str(workers)], env=environment, stdout=subprocess.PIPE, stderr=out, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"on (http://[\d.]+:\d+)", process.stdout.readline())
            assert found, log.read_text()
            server = Served(process, found[1])
            assert len(server.workers) == (workers if workers > 1 else 0)
            yield server
            if process.poll() is None:
                process.terminate()
                assert process.wait(STOP_SECONDS) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
