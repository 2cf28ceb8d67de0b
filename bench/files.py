"""A gigabyte in and out: memory, time, and what other requests feel meanwhile. `python -m bench.files [MEBIBYTES]`.

The server is a process of its own with the emulator behind it. The file is made as it is sent and checked as it is read, so
that only the server's memory is measured. The last line is JSON, for a report.
"""

import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import msgspec

from bench.cpu import memory

COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
MIB = 1024 * 1024
PIECE = os.urandom(MIB)
KEY = {"Authorization": "Bearer key-of-the-bench"}
EXTRA_MIB_MAX = 50
"""What a file of any size may cost. Issue 4."""


@dataclass
class Figures:
    """What was measured; sizes in MiB, times in seconds."""

    file_mib: int
    in_seconds: float
    out_seconds: float
    parts_seconds: float
    memory_before_mib: float
    memory_peak_mib: float
    slowest_other_seconds: float
    typical_other_seconds: float

    @property
    def extra_mib(self) -> float:
        """Memory that the file cost."""
        return self.memory_peak_mib - self.memory_before_mib


def main() -> int:
    """Measure, print, and say by the exit code whether the limits hold."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
    mib = figures.file_mib
    print(f"in        {figures.in_seconds:6.1f} s   {mib / figures.in_seconds:6.0f} MiB/s")
    print(f"out       {figures.out_seconds:6.1f} s   {mib / figures.out_seconds:6.0f} MiB/s")
    print(f"in parts  {figures.parts_seconds:6.1f} s   {mib / figures.parts_seconds:6.0f} MiB/s, with the MD5 of the whole")
    print(f"memory    {figures.memory_before_mib:6.0f} MiB before, {figures.extra_mib:.0f} MiB more at its peak")
    slowest, typical = figures.slowest_other_seconds * 1000, figures.typical_other_seconds * 1000
    print(f"others    {slowest:6.1f} ms for the slowest of them, {typical:.1f} ms for most")
    print(msgspec.json.encode(asdict(figures)).decode())
    return 0 if figures.extra_mib < EXTRA_MIB_MAX else 1


def measure(mib: int) -> Figures:
    """Run a server, send and read a file of so many MiB, whole and in parts."""
    with tempfile.TemporaryDirectory(prefix="pollux-bench-") as folder:
        environment = dict(os.environ) | {"POLLUX_DATA_DIR": folder, "POLLUX_ACCESS_LOG": "false"}
        arguments = ["serve", "--port", "0", "--upstream", "emulator"]
        with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            try:
                return _measure(mib, "http://" + first.partition("http://")[2].split()[0], process.pid)
            finally:
                process.terminate()


def _measure(mib: int, url: str, pid: int) -> Figures:
    place = urlsplit(url).netloc
    _send(place, "/v1/files", "file", 1)  # what is loaded with the first file counts as before
    before = memory(pid).now
    others = _Others(place)
    others.start()
    began = time.monotonic()
    file_id = _send(place, "/v1/files", "file", mib)
    sent = time.monotonic()
    _read(place, file_id, mib)
    read = time.monotonic()
    _send_in_parts(place, mib)
    done = time.monotonic()
    others.stop()
    return Figures(
        file_mib=mib,
        in_seconds=sent - began,
        out_seconds=read - sent,
        parts_seconds=done - read,
        memory_before_mib=before / MIB,
        memory_peak_mib=memory(pid).peak / MIB,
        slowest_other_seconds=max(others.seconds),
        typical_other_seconds=sorted(others.seconds)[len(others.seconds) // 2],
    )


def _send(place: str, path: str, field: str, mib: int) -> str:
    head = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n' if field == "file" else b""
    head += b'--b\r\nContent-Disposition: form-data; name="%b"; filename="big.bin"\r\n\r\n' % field.encode()
    tail = b"\r\n--b--\r\n"

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(mib):
            yield PIECE
        yield tail

    length = len(head) + mib * MIB + len(tail)
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(length)}
    answer = _ask(place, "POST", path, body(), headers)
    return str(answer["id"])


def _send_in_parts(place: str, mib: int) -> None:
    kind = {"Content-Type": "application/json"}
    asked = {"bytes": mib * MIB, "filename": "big.bin", "mime_type": "application/octet-stream", "purpose": "user_data"}
    upload = _ask(place, "POST", "/v1/uploads", msgspec.json.encode(asked), kind)["id"]
    md5 = hashlib.md5()
    ids = []
    for at in range(0, mib, 64):
        size = min(64, mib - at)
        ids.append(_send(place, f"/v1/uploads/{upload}/parts", "data", size))
        for _ in range(size):
            md5.update(PIECE)
    body = msgspec.json.encode({"part_ids": ids, "md5": md5.hexdigest()})
    assert _ask(place, "POST", f"/v1/uploads/{upload}/complete", body, kind)["status"] == "completed"


def _ask(place: str, method: str, path: str, body: Iterator[bytes] | bytes, headers: dict[str, str]) -> dict[str, object]:
    connection = http.client.HTTPConnection(place, timeout=600)
    connection.request(method, path, body, KEY | headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 200, data
    decoded: dict[str, object] = msgspec.json.decode(data)
    return decoded


def _read(place: str, file_id: str, mib: int) -> None:
    connection = http.client.HTTPConnection(place, timeout=600)
    connection.request("GET", f"/v1/files/{file_id}/content", headers=KEY)
    answer = connection.getresponse()
    assert answer.status == 200
    for _ in range(mib):
        assert answer.read(MIB) == PIECE
    assert answer.read(1) == b""
    connection.close()


class _Others(threading.Thread):
    """Another caller, who asks for something small all the time."""

    def __init__(self, place: str) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._place = place
        self._stopping = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=60)
        while not self._stopping.wait(0.005):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.seconds.append(time.perf_counter() - began)
        connection.close()

    def stop(self) -> None:
        """Stop asking."""
        self._stopping.set()
        self.join(60)


if __name__ == "__main__":
    sys.exit(main())
