"""The process that does codec work: reads jobs from its input, writes answers to its output, and knows nothing else.

A job is a pickled call, from our own server. An answer is MessagePack, which cannot make the server run anything, whatever
the bytes of a stranger made of this process.
"""

import contextlib
import os
import pickle
import struct
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from pollux.errors import ApiError

FRAME = struct.Struct("<Q")
"""What stands before each job and each answer: its length."""

MEMORY_BYTES_MAX = 3_221_225_472
"""Address space of the process. The largest picture takes a quarter of it; libraries and their threads another."""

FILES_MAX = 64
"""Open files: enough to load modules."""


class Failure(Struct, frozen=True):
    """An error of ours, as it travels."""

    message: str
    code: str | None


class Answer(Struct, frozen=True):
    """What became of a job: its result in MessagePack, or an error."""

    result: bytes = b""
    error: Failure | None = None


def main() -> None:
    """Do jobs until the input ends."""
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:  # a library that prints does not disturb the answers
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    _confine()
    while head := jobs.read(FRAME.size):
        _send(answers, msgspec.msgpack.encode(_done(_read(jobs, FRAME.unpack(head)[0]))))


def _read(jobs: BinaryIO, length: int) -> bytes:
    job = jobs.read(length)
    if len(job) < length:
        raise SystemExit(0)  # the server left in the middle
    return job


def _send(answers: BinaryIO, answer: bytes) -> None:
    answers.write(FRAME.pack(len(answer)))
    answers.write(answer)
    answers.flush()


def _done(job: bytes) -> Answer:
    try:
        function, args, kwargs = pickle.loads(job)  # noqa: S301 - from our own server
        result: Any = function(*args, **kwargs)
        return Answer(msgspec.msgpack.encode(result))
    except ApiError as error:
        return Answer(error=Failure(error.message, error.code))
    except MemoryError:
        return Answer(error=Failure("Working on this needs too much memory.", "media_too_large"))


def _confine() -> None:
    """Limit what the process may take, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # Unix only

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


if __name__ == "__main__":
    main()
