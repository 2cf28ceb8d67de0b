"""The pictures of one request: native calls side by side, each picture told as it was asked for.

The calls fail as one (CONTRACT, section 3). Codecs run in processes of their own, for one picture of a request at a time, so
that a request takes one place there. A picture that is told as it came is not decoded.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from pollux.media import images
from pollux.media.dimensions import dimensions
from pollux.media.images import ImageFormat
from pollux.media.workshop import Workshop
from pollux.server.asking import Call
from pollux.translate.events import Usage
from pollux.translate.images import FORMATS, Output
from pollux.translate.images_answer import drawn, image_content
from pollux.upstream.http import Parts
from pollux.wire.gemini.generate import GenerateContentResponse

NOTHING_LOST = 100
"""A quality at which a picture that has the right format already is told as it came."""


@dataclass(slots=True)
class Made:
    """A picture as it is told: base64, media type, width and height, and what stands beside it."""

    data: str
    mime_type: str
    size: tuple[int, int] | None
    beside: dict[str, Any]

    @property
    def format(self) -> str:
        """OpenAI's word for the type."""
        return self.mime_type.rpartition("/")[2]


@dataclass(slots=True)
class Answered:
    """What one native call made, and its tokens; `place` is its place among the calls."""

    place: int
    pictures: list[Made]
    usage: Usage


class Finish(Protocol):
    """What is done with each picture before it is told: an edit with a mask puts the original around it."""

    async def __call__(self, data: str) -> str:
        """Give another picture for one, both in base64. Raises ApiError."""
        ...


class Drawing:
    """The native calls of one request."""

    def __init__(
        self, call: Call, bodies: list[Parts], output: Output, workshop: Workshop, finish: Finish | None = None
    ) -> None:
        self._call = call
        self._bodies = bodies
        self._output = output
        self._workshop = workshop
        self._finish = finish
        self._at_codecs = asyncio.Lock()

    async def all(self) -> list[Answered]:
        """Give what all calls made, in order. Raises the first ApiError; the other calls are then cancelled."""
        return sorted([each async for each in self.as_they_come()], key=lambda answered: answered.place)

    async def as_they_come(self) -> AsyncGenerator[Answered, None]:
        """Give what each call made when it is there. Raises ApiError."""
        tasks = [asyncio.ensure_future(self._one(place, body)) for place, body in enumerate(self._bodies)]
        waiting = set(tasks)
        self._bodies = []
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for answered in sorted([task.result() for task in done], key=lambda answered: answered.place):
                    yield answered
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, place: int, body: Parts) -> Answered:
        replies = await self._call(body)
        try:
            given: list[GenerateContentResponse] = [reply async for read in replies.replies() for reply in read]
        finally:
            await replies.close()
        answer = drawn(given)
        given.clear()
        beside = image_content(answer)
        pictures = [await self._told(mime_type, data, beside) for mime_type, data in answer.pictures]
        return Answered(place, pictures, answer.usage)

    async def _told(self, mime_type: str, data: str, beside: dict[str, Any]) -> Made:
        """Bring a picture into the format that was asked for, if it is not in it already."""
        made = as_it_came(mime_type, data, beside)
        to, quality = self._output.format, self._output.quality
        if self._finish is not None:
            async with self._at_codecs:
                data = await self._finish(data)
        elif to is not None and (made.format != to or quality not in (None, NOTHING_LOST)):
            async with self._at_codecs:
                data = await self._workshop.run_at_last(images.redrawn, data, _format(to), quality=quality)
        else:
            return made
        return as_it_came(mime_type, data, beside)


def as_it_came(mime_type: str, data: str, beside: dict[str, Any]) -> Made:
    """Look at a picture: its type is what its bytes are, the native one where they say nothing."""
    kind, size = dimensions(data)
    return Made(data, kind or mime_type, size, beside)


def _format(name: str) -> ImageFormat:
    assert name in FORMATS
    return name  # type: ignore[return-value] # the names of both are the same


async def decoded(data: str) -> AsyncIterator[bytes]:
    """Decode base64 piece by piece; others have their turn in between."""
    from binascii import a2b_base64

    for at in range(0, len(data), DECODED_CHARACTERS):
        yield a2b_base64(data[at : at + DECODED_CHARACTERS])
        await asyncio.sleep(0)


DECODED_CHARACTERS = 1_048_576
"""Base64 that is decoded at once: a millisecond; a multiple of four."""
