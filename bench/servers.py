"""The servers that are measured. A row says what it speaks, whether it is here, and how it is started."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.answers import Language
from bench.nginx import nginx_config
from bench.processes import free_port, running


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is to run, and before which upstream."""

    folder: Path
    port: int
    upstream_scheme: str
    upstream_port: int
    authority: Path

    @property
    def upstream_url(self) -> str:
        """The mock, as a URL."""
        return f"{self.upstream_scheme}://127.0.0.1:{self.upstream_port}"


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of server."""

    name: str
    language: Language
    program: Callable[[], str | None]
    missing: str
    command: Callable[[str, Place], list[str]]
    environment: Callable[[Place], dict[str, str]] = lambda _place: {}


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    server: Server
    port: int
    pid: int

    @property
    def language(self) -> Language:
        """What it speaks to its callers."""
        return self.server.language


def _beside_python(name: str) -> str | None:
    """A program of the virtual environment that runs the bench."""
    path = Path(sys.prefix, "bin", name)
    return str(path) if path.exists() else None


def _nginx_command(program: str, place: Place) -> list[str]:
    config = place.folder / "nginx.conf"
    config.write_text(
        nginx_config(
            place.folder, place.port, scheme=place.upstream_scheme, upstream_port=place.upstream_port, authority=place.authority
        )
    )
    return [program, "-p", str(place.folder), "-c", str(config), "-e", str(place.folder / "error.log")]


POLLUX = Server(
    name="ours",
    language="openai",
    program=lambda: _beside_python("pollux"),
    missing="bin/pollux is not in the virtual environment: make install",
    command=lambda program, place: [
        *(program, "serve", "--host", "127.0.0.1", "--port", str(place.port)),
        *("--upstream", "gemini", "--upstream-url", place.upstream_url),
    ],
    # One caller makes all the requests; a thousand streams of theirs are as many as a worker takes by default.
    environment=lambda place: {"SSL_CERT_FILE": str(place.authority), "POLLUX_IN_FLIGHT_MAX": "4000"},
)

NGINX = Server(
    name="nginx",
    language="native",
    program=lambda: shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or shutil.which("nginx"),
    missing="nginx is not installed, so there is no ratio (on Debian: apt-get install nginx)",
    command=_nginx_command,
)

MOCK = Server(name="direct", language="native", program=lambda: sys.executable, missing="", command=lambda _program, _place: [])
"""The mock, asked without a server between. Started by bench.run."""

SERVERS = (POLLUX, NGINX)
"""Ours first; the ratio is to nginx. Another gateway is another row."""


@contextmanager
def started(
    server: Server, program: str, folder: Path, upstream: tuple[str, int], authority: Path, *, wait: bool = True
) -> Iterator[Running]:
    """Start one on a free port, before the mock. Without `wait` it is handed over while it is still starting."""
    own = folder / f"{server.name}-{upstream[0]}"
    own.mkdir(exist_ok=True)
    place = Place(own, free_port(), upstream[0], upstream[1], authority)
    command = server.command(program, place)
    with running(
        command, ports=[place.port] if wait else [], log=own / "server.log", folder=own, environment=server.environment(place)
    ) as pid:
        yield Running(server, place.port, pid)
