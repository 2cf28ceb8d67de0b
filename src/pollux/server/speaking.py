"""Sound in answers: the model's raw samples, brought into the format that was asked for as they come.

A whole answer's sound is encoded in one piece, by the workshop. A streamed one is encoded in this process, piece by piece:
samples are fed, no container of a stranger is parsed. What goes out is cut at multiples of three bytes (for raw samples, of
six), so that the pieces of base64 joined are base64 again. `speed` makes a streamed one faster or slower on its way.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator

from pollux.errors import UnusableMedia, UpstreamFailed
from pollux.media import audio
from pollux.media.audio import MIME_TYPES, PcmForm, SoundEncoder, SoundFormat, SpeedChanger
from pollux.media.workshop import Workshop
from pollux.translate.events import Event, Finish, Media

WHOLE_QUANTUM, SAMPLES_QUANTUM = 3, 6
"""Bytes that are whole base64, and whole samples too."""


class Speaking:
    """Brings the sound of one answer into a format."""

    def __init__(self, workshop: Workshop, to: SoundFormat, *, streamed: bool, speed: float = 1) -> None:
        self._workshop = workshop
        self._to = to
        self._speed = speed
        self._streamed = streamed
        self._voices: dict[int, _Voice] = {}

    async def events(self, reads: AsyncIterator[list[Event]]) -> AsyncIterator[list[Event]]:
        """Give the events of an answer, its sound in the format that was asked for. Raises ApiError."""
        async for events in reads:
            yield [one for event in events for one in await self._spoken(event)]
        for candidate in list(self._voices):  # of candidates that did not say that they ended
            yield await self._ended(candidate)

    async def _spoken(self, event: Event) -> list[Event]:
        if isinstance(event, Finish):
            return [*await self._ended(event.candidate), event]
        if not isinstance(event, Media) or not event.mime_type.startswith("audio/"):
            return [event]
        try:
            form, pcm = await self._samples(event)
            voice = self._voices.get(event.candidate)
            if voice is None:
                voice = self._voices[event.candidate] = _Voice(form, self._to, self._speed)
            if voice.form != form:
                pcm = audio.resample(pcm, form, voice.form)
            if not self._streamed:
                voice.pieces.append(pcm)
                return []
            return self._media(event.candidate, await voice.feed(pcm))
        except (UnusableMedia, binascii.Error) as error:
            raise _malformed(str(error)) from None

    async def _samples(self, event: Media) -> tuple[PcmForm, bytes]:
        """Give the samples of a piece: mostly it is samples; a whole file of another kind is decoded."""
        data = base64.b64decode(event.data)
        form = audio.pcm_form(event.mime_type)
        return (PcmForm(), await self._workshop.run(audio.decode, data)) if form is None else (form, data)

    async def _ended(self, candidate: int) -> list[Event]:
        voice = self._voices.pop(candidate, None)
        if voice is None:
            return []
        if self._streamed:
            return self._media(candidate, await voice.close())
        pcm = b"".join(voice.pieces)
        if self._to in {"wav", "pcm16"} and voice.form == PcmForm():  # no work at all
            return self._media(candidate, audio.encode(pcm, voice.form, self._to))
        return self._media(candidate, await self._workshop.run(audio.encode, pcm, voice.form, self._to))

    def _media(self, candidate: int, data: bytes) -> list[Event]:
        return [Media(candidate, MIME_TYPES[self._to], base64.b64encode(data).decode("ascii"), None)] if data else []


class _Voice:
    """The sound of one candidate."""

    def __init__(self, form: PcmForm, to: SoundFormat, speed: float) -> None:
        self.form = form
        self.pieces: list[bytes] = []
        self._to = to
        self._speed = speed
        self._changing: SpeedChanger | None = None
        self._quantum = SAMPLES_QUANTUM if to in {"pcm16", "wav"} else WHOLE_QUANTUM
        self._rest = b""
        self._encoder: SoundEncoder | None = None

    async def feed(self, pcm: bytes) -> bytes:
        """Encode a piece; gives what is ready of whole quanta."""
        if self._to in {"pcm16", "wav"} and self._speed == 1:
            encoded = self._feed(pcm)
        else:
            encoded = await asyncio.to_thread(self._feed, pcm)
        ready = self._rest + encoded
        whole = len(ready) - len(ready) % self._quantum
        self._rest = ready[whole:]
        return ready[:whole]

    async def close(self) -> bytes:
        """Give the rest."""
        return self._rest + await asyncio.to_thread(self._close)

    def _feed(self, pcm: bytes) -> bytes:
        if self._encoder is None:
            self._encoder = SoundEncoder(self.form, self._to)
        if self._speed != 1:
            if self._changing is None:
                self._changing = SpeedChanger(self.form, self._speed)
            pcm = self._changing.feed(pcm)
        return self._encoder.feed(pcm)

    def _close(self) -> bytes:
        if self._encoder is None:
            return b""
        last = self._changing.close() if self._changing is not None else b""
        return self._encoder.feed(last) + self._encoder.close()


def _malformed(why: str) -> UpstreamFailed:
    return UpstreamFailed(f"The Gemini API sent sound that cannot be read: {why}", code="upstream_malformed")
