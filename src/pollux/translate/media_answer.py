"""Media in the answer of a chat completion: pictures as `images`, sound as `audio`.

OpenAI's chat has no pictures in answers; clients of image models read `message.images` and `delta.images`, each a data URL.
Sound is OpenAI's: `message.audio` and `delta.audio`. Its bytes come in as they are told: the server has brought them into the
format that was asked for, in pieces of whole base64 quanta, so that a client may decode each piece, or join them first.
"""

from msgspec import UNSET, UnsetType

from pollux.translate.events import Media
from pollux.translate.memory import call_key
from pollux.translate.pictures import picture_key
from pollux.translate.speech import Speech
from pollux.wire.openai import chat as wire

AUDIO_SECONDS = 3600
"""How long a later request may name a sound by its id, at least; what is remembered is its transcript."""


class AnswerMedia:
    """The pictures and the sound of one choice as they are told.

    `speech` is how sound was asked for. Where it was, text is its transcript: what comes before the sound is held back until
    the sound begins; should none come, it is the content after all. A model that only speaks says no text: the transcript is
    what it was given to speak.
    """

    __slots__ = (
        "_candidate",
        "_created",
        "_first_key",
        "_heard",
        "_held",
        "_sound",
        "_speech",
        "_token",
        "_transcript",
        "images",
    )

    def __init__(self, candidate: int, token: str, created: int, speech: Speech | None) -> None:
        self._candidate = candidate
        self._token = token
        self._created = created
        self._speech = speech
        self._held: list[str] = []
        self._heard = False
        self._sound: list[str] = []
        self._transcript: list[str] = []
        self._first_key: str | None = None
        self.images: list[wire.AnswerImage] = []

    @property
    def is_speech(self) -> bool:
        """Whether the answer is to be sound, its text the transcript."""
        return self._speech is not None

    @property
    def has_sound(self) -> bool:
        """Whether sound came."""
        return self._heard

    def take_text(self, text: str) -> wire.Delta | None:
        """Take a text of an answer that is to be sound."""
        if not self._heard:
            self._held.append(text)
            return None
        self._transcript.append(text)
        return wire.Delta(audio=wire.DeltaAudio(transcript=text))

    def take(self, event: Media) -> wire.Delta | None:
        """Take a picture or a piece of sound, and give what it adds to the message."""
        if event.mime_type.startswith("image/"):
            return self._add_image(event)
        if event.mime_type.startswith("audio/"):
            return self._add_sound(event.data)
        return None  # of another kind: it stands among the native parts

    def held_text(self) -> str:
        """Give the text that waited for sound."""
        return "" if self._heard else "".join(self._held)

    def last_delta(self) -> wire.DeltaAudio | UnsetType:
        """Give what is told at the end, once, since clients add numbers up."""
        return wire.DeltaAudio(expires_at=self._expires_at) if self._heard else UNSET

    def audio(self) -> wire.AnswerAudio:
        """Give the sound of the whole message."""
        return wire.AnswerAudio(self.audio_id, self._expires_at, "".join(self._sound), self.transcript)

    @property
    def audio_id(self) -> str:
        """The id by which the next request may name the sound."""
        return f"audio_{call_key(self._token, self._candidate)}"

    @property
    def picture_key(self) -> str | None:
        """The key of the first picture, under which the turn is remembered."""
        return self._first_key

    @property
    def transcript(self) -> str:
        """What the sound says."""
        return "".join(self._transcript)

    @property
    def _expires_at(self) -> int:
        return self._created + AUDIO_SECONDS

    def _add_image(self, event: Media) -> wire.Delta:
        if self._first_key is None:
            self._first_key = picture_key(event.data)
        image = wire.AnswerImage(index=len(self.images), image_url=wire.ImageUrl(f"data:{event.mime_type};base64,{event.data}"))
        if event.signature is not None:
            image.extra_content = {"google": {"thought_signature": event.signature}}
        self.images.append(image)
        return wire.Delta(images=[image])

    def _add_sound(self, data: str) -> wire.Delta:
        self._sound.append(data)
        if self._heard:
            return wire.Delta(audio=wire.DeltaAudio(data=data))
        self._heard = True
        spoken = "".join(self._held) or (self._speech.text if self._speech is not None else "")
        self._transcript.append(spoken)
        return wire.Delta(audio=wire.DeltaAudio(id=self.audio_id, data=data, transcript=spoken))
