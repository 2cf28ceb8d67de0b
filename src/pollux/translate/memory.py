"""What Gemini said in earlier turns, as far as OpenAI's form loses it: thought signatures, and the traces of Google's tools.

A client may send back everything that we sent (`extra_content`), or drop it. So a turn of the model is remembered as its native
parts, under keys that the next request can find it by:

- the **call key** is in the id of every tool call: random, unguessable, never used twice;
- the **trail key** is a hash of the conversation up to and including the turn: who spoke, the texts, the calls with their
  arguments; not the ids, which some frameworks replace.

Where the turns are kept, for how long and for whom is not known here: `trail` says which keys to look up, and what was
found comes in as an argument. A remembered turn is used only if it says what the client's message says, so that a client
may edit history; and its signatures only for the model family that made them.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pollux.translate.pictures import first_key, is_picture, restored, without_bytes
from pollux.wire.gemini.generate import Blob, Content, Part
from pollux.wire.openai.chat import Message

CALL_ID = re.compile(r"call_([0-9a-f]{24}[0-9a-z])[0-9a-z]{2}")
"""Our tool-call ids: `call_`, 96 random bits and the candidate (together the call key), and the call's index."""

SOUND_ID = re.compile(r"audio_[0-9a-f]{24}[0-9a-z]")
"""Our ids of sound: `audio_` and the call key. Under it the transcript is remembered."""

DUMMY_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""What stands for a signature that is lost, at a loss of quality: `skip_thought_signature_validator`, in base64 as the field is
bytes. Source: Gemini API, Thought signatures; all recorded requests with a dummy write it so, and were accepted."""

THOUGHT_OPEN, THOUGHT_CLOSE = "<thought>", "</thought>"
"""The tags around a thought summary in Google's form of the answer."""

_THOUGHT = re.compile(f"{THOUGHT_OPEN}.*?{THOUGHT_CLOSE}", re.DOTALL)

TURN_BYTES_MAX = 4_194_304
"""Largest turn that is remembered. Signatures have some thousand bytes, the traces of a search some ten thousand; the signature
of a picture has 1 to 1.5 million. Source: recorded traffic."""

INTEGERS_EXACT_BELOW = 2**53
"""Up to here every integer is a floating point number too."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Turn(Struct, omit_defaults=True):
    """A remembered turn: the family that made it, and its native parts without the thoughts."""

    family: str
    parts: list[Part]


encode_turn = msgspec.json.Encoder().encode
decode_turn = msgspec.json.Decoder(Turn).decode


def call_key(token: str, candidate: int) -> str:
    """Give the call key of a candidate; `token` is 24 random hexadecimal digits."""
    return token + _DIGITS[candidate % 36]


def call_id(token: str, candidate: int, index: int) -> str:
    """Give the id of a tool call."""
    return f"call_{call_key(token, candidate)}{_DIGITS[index // 36 % 36]}{_DIGITS[index % 36]}"


class Trail:
    """The keys of a conversation: for each assistant message where to look, and the key of the answer that follows."""

    __slots__ = ("_hash", "_unhashed", "keys")

    def __init__(self, messages: list[Message]) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._unhashed: list[str] = []
        self.keys: dict[int, tuple[str, ...]] = {}
        for i, message in enumerate(messages):
            role = _ROLE.get(message.role, message.role)
            calls = _calls(message) if role == "a" else _NO_CALLS
            self._add(role, _text(message, role), calls)
            if role == "a":
                trail = self._digest()
                found = CALL_ID.fullmatch(_first_id(message)) if calls else None
                self.keys[i] = (found[1], trail) if found else (trail,)
                picture, sound = first_key(message.images), _sound_id(message)
                if picture is not None:
                    self.keys[i] = (picture, *self.keys[i])
                if sound is not None:
                    self.keys[i] = (sound, *self.keys[i])

    def wanted(self) -> list[str]:
        """Give all keys to look up."""
        return [key for keys in self.keys.values() for key in keys]

    def answer_key(self, text: str, calls: list[tuple[str, str]]) -> str:
        """Give the trail key of an answer to this conversation: its text, its calls' names and arguments."""
        self._digest()
        before = self._hash.copy()
        self._add("a", text, calls)
        key = self._digest()
        self._hash = before
        return key

    def _add(self, role: str, text: str, calls: list[tuple[str, str]]) -> None:
        self._unhashed += ("\x00", role, "\x01", text.strip())
        for name, arguments in calls:
            self._unhashed += ("\x02", name, "\x03", _canonical(arguments))

    def _digest(self) -> str:
        self._hash.update("".join(self._unhashed).encode())
        self._unhashed.clear()
        return self._hash.hexdigest()


_ROLE = {"system": "s", "developer": "s", "user": "u", "assistant": "a", "model": "a", "tool": "t", "function": "t"}


_NO_CALLS: list[tuple[str, str]] = []


def _text(message: Message, role: str) -> str:
    content = message.content
    if content is None:
        return ""
    if not isinstance(content, str):
        content = "".join([part.text or part.refusal or "" for part in content])
    return without_thought(content) if role == "a" else content


def without_thought(text: str) -> str:
    """Take thought summaries in Google's form off an answer that comes back; it begins with one, or it has none."""
    return _THOUGHT.sub("", text) if text.startswith(THOUGHT_OPEN) else text


def _calls(message: Message) -> list[tuple[str, str]]:
    calls = []
    for call in message.tool_calls or ():
        if call.function is not None:
            calls.append((call.function.name, call.function.arguments))
        elif call.custom is not None:
            calls.append((call.custom.name, call.custom.input))
    if message.function_call is not None:
        calls.append((message.function_call.name, message.function_call.arguments))
    return calls


def _sound_id(message: Message) -> str | None:
    sound = message.audio.get("id") if message.audio is not None else None
    return sound if isinstance(sound, str) and SOUND_ID.fullmatch(sound) else None


def _first_id(message: Message) -> str:
    return (message.tool_calls[0].id or "") if message.tool_calls else ""


def _canonical(arguments: str) -> str:
    """Spell JSON in one way, since clients parse and write arguments anew."""
    try:
        return msgspec.json.encode(_arguments.decode(arguments), order="sorted").decode()
    except (msgspec.DecodeError, RecursionError, OverflowError):
        return arguments


def _number(text: str) -> float:
    """Read 1.0 as 1, as JavaScript writes it."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < INTEGERS_EXACT_BELOW else number


_arguments = msgspec.json.Decoder(float_hook=_number)


def turn_of(
    keys: tuple[str, ...],
    remembered: Mapping[str, Turn],
    family: str,
    text: str,
    calls: list[tuple[str, dict[str, Any]]],
    pictures: list[Part],
) -> Turn | None:
    """Find a remembered turn that says what the client's message says; `calls` are native names and arguments.

    Its pictures are those that the client sent. A turn of another family comes back without its signatures.
    """
    for key in keys:
        turn = remembered.get(key)
        if turn is not None and _says(turn, text, calls):
            parts = restored(turn.parts, pictures)
            if parts is None:
                continue
            if turn.family != family:
                parts = [msgspec.structs.replace(part, thought_signature=None) for part in parts]
            return Turn(family, parts)
    return None


def _says(turn: Turn, text: str, calls: list[tuple[str, dict[str, Any]]]) -> bool:
    said = [(call.name, call.args or {}) for part in turn.parts if (call := part.function_call) is not None]
    return said == calls and "".join([part.text or "" for part in turn.parts]).strip() == text.strip()


class TurnRecorder:
    """Gathers the native parts of the answer as it comes, for each candidate, without the thoughts."""

    __slots__ = ("_parts", "_single_call")

    def __init__(self, *, single_call: bool) -> None:
        self._parts: dict[int, list[Part]] = {}
        self._single_call = single_call

    def feed(self, candidate: int, new: Sequence[Part]) -> None:
        """Take in what one reply says of a candidate."""
        parts = self._parts.setdefault(candidate, [])
        for part in new:
            self._add(part, parts)

    def complete_call(self, candidate: int, args: dict[str, Any]) -> None:
        """Put in the arguments of the first call that lacks them, which came in pieces: one reply may hold later calls too."""
        for part in self._parts.get(candidate, ()):
            call = part.function_call
            if call is not None and (call.will_continue or call.partial_args):
                call.args = args
                call.will_continue = call.partial_args = None
                return

    def turns(self, family: str) -> dict[int, bytes]:
        """Give each candidate's turn, encoded, where it holds what OpenAI's form loses and is not too large."""
        turns = {
            candidate: encode_turn(Turn(family, _kept(parts)))
            for candidate, parts in self._parts.items()
            if any(part.thought_signature is not None or _is_trace(part) for part in parts)
        }
        return {candidate: turn for candidate, turn in turns.items() if len(turn) <= TURN_BYTES_MAX}

    def traces(self) -> dict[int, list[dict[str, Any]]]:
        """Give the parts of candidates that said more than texts and calls, in order, as plain JSON."""
        return {
            candidate: [part.unnamed or msgspec.to_builtins(_untold(part)) for part in _joined(parts)]
            for candidate, parts in self._parts.items()
            if any(_is_trace(part) for part in parts)
        }

    def _add(self, part: Part, parts: list[Part]) -> None:
        call = part.function_call
        if part.thought and (part.text is not None or part.inline_data is not None):
            return
        if is_told(part):  # of a picture a hash is enough; the bytes are told, and may be let go
            part = without_bytes(part)
        if call is not None:
            if call.name is None:
                return
            if self._single_call and any(earlier.function_call is not None for earlier in parts):
                return
            if call.will_continue or call.partial_args:  # it will be completed, and the reply must stay as it is
                part = msgspec.structs.replace(part, function_call=msgspec.structs.replace(call))
        parts.append(part)


def _joined(parts: list[Part]) -> list[Part]:
    """Join the pieces of each text, which came one by one; a signed part is never joined with another."""
    joined: list[Part] = []
    pieces: list[str] = []
    for part in parts:
        if part.text is not None and part.thought_signature is None:
            pieces.append(part.text)
            continue
        if any(pieces):
            joined.append(Part(text="".join(pieces)))
        pieces.clear()
        joined.append(part)
    return [*joined, Part(text="".join(pieces))] if any(pieces) else joined


def _kept(parts: list[Part]) -> list[Part]:
    """Give what is remembered of a turn: of sound nothing."""
    return [part for part in _joined(parts) if not is_told(part) or is_picture(part)]


def _untold(part: Part) -> Part:
    """Leave out of a trace what is told as a picture or sound."""
    return Part(inline_data=Blob(mime_type=(part.inline_data or Blob()).mime_type)) if is_told(part) else part


def _is_trace(part: Part) -> bool:
    return part.text is None and part.function_call is None and not is_told(part)


def is_told(part: Part) -> bool:
    """Say whether a part is a picture or sound, which is told as such."""
    blob = part.inline_data
    return blob is not None and bool(blob.data) and (blob.mime_type or "").startswith(("image/", "audio/"))


def sign_lost_calls(turns: list[Content]) -> int:
    """Put the dummy on the first call of each step of the current turn that has no signature; says on how many.

    The current turn follows the last content of the user without tool results; earlier turns are not checked by the service.
    Whether a text beside results begins a new turn is not documented: a dummy too many is accepted, one too few is not.
    Source: Gemini API, Thought signatures.
    """
    signed = 0
    for content in reversed(turns):
        parts = content.parts or []
        if content.role == "user":
            if all(part.function_response is None for part in parts):
                break
            continue
        first = next((i for i, part in enumerate(parts) if part.function_call is not None), None)
        if first is not None and parts[first].thought_signature is None:
            parts[first] = msgspec.structs.replace(parts[first], thought_signature=DUMMY_SIGNATURE)
            signed += 1
    return signed


def forget_signatures(turns: list[Content]) -> int:
    """Take every true signature out, since the service refused one and does not say which; says how many there were."""
    forgotten = 0
    for content in turns:
        parts = content.parts or []
        for i, part in enumerate(parts):
            if part.thought_signature not in {None, DUMMY_SIGNATURE}:
                parts[i] = msgspec.structs.replace(part, thought_signature=None)
                forgotten += 1
        content.parts = [part for part in parts if part.text != ""]
    return forgotten
