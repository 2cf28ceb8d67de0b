"""The conversation: OpenAI's messages → Gemini's contents and system instruction.

Tool results are the delicate part. Gemini wants the results of one step in one content, right after the calls, in the order
of the calls, as many as there were calls. OpenAI's callers send them in any order, with other messages between, or not at
all. So each call looks for its result by id (by order where ids are empty, by name for the old functions); a call without a
result gets one that says so; a result without a call becomes a text of the user. Both are noted.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate import content, pictures
from pollux.translate.media import Media, fits_in_a_result, in_a_result
from pollux.translate.memory import Trail, Turn, sign_lost_calls, turn_of, without_thought
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.tools import CUSTOM_INPUT, native_name
from pollux.wire.gemini.generate import Content, FunctionCall, FunctionResponse, Part
from pollux.wire.openai.chat import Message, ToolCall

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "model",
    "model": "model",
    "tool": "result",
    "function": "result",
}
"""OpenAI's roles, and `model`, which Google's samples send. Source: OpenAI compatibility guide."""

SYSTEM_OPEN, SYSTEM_CLOSE = "<system>\n", "\n</system>"
"""The tags around a system message in the middle of a conversation, where the native API has no place for one."""

CLOSING_TURN = "Continue."
"""The user turn that closes a conversation which ends with the assistant, for families that refuse such an end."""

OPENING_TURN = "Begin."
"""The user turn of a conversation that has only system messages; the native API wants at least one."""

NO_RESULT = {"error": "No result was given for this call."}

RESULT = "output"
"""The key of a result that is not an object. Source: Gemini API, FunctionResponse.response."""


def contents(
    messages: list[Message],
    profile: Profile,
    notes: list[Note],
    trail: Trail | None,
    remembered: Mapping[str, Turn],
    media: Media = content.NO_MEDIA,
) -> tuple[list[Content], Content | None]:
    """Give the native contents and the system instruction. Raises InvalidRequest, naming the place.

    System messages at the head become the instruction; a later one stays in its place as a tagged user text. Neighbours of one
    role are joined, their parts kept apart. An assistant message without content is left out. A turn of the model that is
    remembered goes back as it was, signatures in place.

    Source: OpenAI API, messages; Gemini API, Content, Thought signatures. CONTRACT, section 3.
    Loses: the names of participants; the difference between system and developer.
    """
    if not messages:
        raise InvalidRequest(
            "messages is empty; give at least one message.", param="messages", code="missing_required_parameter"
        )
    building = _Building(messages, profile, notes, trail, remembered, media)
    for i, message in enumerate(messages):
        building.add(i, message)
    building.close()
    return building.turns, Content(parts=building.head) if building.head else None


class _Building:
    """The contents as they grow."""

    def __init__(
        self,
        messages: list[Message],
        profile: Profile,
        notes: list[Note],
        trail: Trail | None,
        remembered: Mapping[str, Turn],
        media: Media,
    ) -> None:
        self._media = media
        self._profile = profile
        self._notes = notes
        self._keys = trail.keys if trail is not None else {}
        self._remembered = remembered
        self._results = _Results(messages)
        self.head: list[Part] = []
        self.turns: list[Content] = []

    def add(self, i: int, message: Message) -> None:
        """Add a message."""
        role = ROLES.get(message.role)
        if role == "user" and message.name is None and isinstance(message.content, str):  # most messages of a long history
            self._append("user", [Part(text=message.content)])
            return
        path = f"messages[{i}]"
        if message.name and role != "result":
            self._notes.append(Note(f"{path}.name", "ignored", "the native API has no names of participants"))
        match role:
            case "system":
                self._add_system(message, path)
            case "user":
                parts = content.parts(message.content, f"{path}.content", self._media)
                if not parts:
                    raise InvalidRequest(
                        f"{path}.content is missing.", param=f"{path}.content", code="missing_required_parameter"
                    )
                self._append("user", parts)
            case "model":
                self._add_model(i, message, path)
            case "result":
                if not self._results.taken(i):
                    self._add_orphan(message, path)
            case _:
                raise InvalidRequest(
                    f"There is no role {message.role[:40]!r}; use system, developer, user, assistant or tool.",
                    param=f"{path}.role",
                )

    def close(self) -> None:
        """End the conversation so that the model may answer, and sign what must be signed."""
        turns = self.turns
        if not turns:
            turns.append(Content(role="user", parts=[Part(text=OPENING_TURN)]))
            self._notes.append(Note("messages", "added", "a user turn, since there were only system messages"))
        elif turns[-1].role == "model" and not self._profile.continues_prefill:
            turns.append(Content(role="user", parts=[Part(text=CLOSING_TURN)]))
            self._notes.append(
                Note("messages", "added", "a user turn at the end, since the model does not continue an assistant message")
            )
        if self._profile.signatures == "required" and sign_lost_calls(turns):
            self._notes.append(Note("messages", "approximated", "a thought signature is lost; its documented dummy is sent"))

    def _add_system(self, message: Message, path: str) -> None:
        parts = content.text_parts(message.content, f"{path}.content")
        if not self.turns:
            self.head += parts
        else:
            self._append("user", [Part(text=f"{SYSTEM_OPEN}{part.text}{SYSTEM_CLOSE}") for part in parts])

    def _add_model(self, i: int, message: Message, path: str) -> None:
        google = _google(message.extra_content)
        if isinstance(message.content, str):
            text = without_thought(message.content)
            parts = [Part(text=text)] if text else []
        else:
            parts = content.parts(message.content, f"{path}.content", self._media)
            if parts and parts[0].text:
                parts[0] = Part(text=without_thought(parts[0].text))
            parts = [part for part in parts if part.text != ""]
        if message.images is not None:
            parts += pictures.parts(message.images, f"{path}.images")
        if message.audio is not None and not parts:
            parts = [self._spoken(message.audio, path)]
        calls = self._calls(message, path) if message.tool_calls or message.function_call is not None else _NO_CALLS
        turn = self._earlier_turn(i, google, parts, calls) if self._remembered or "parts" in google else None
        if turn is not None:
            if message.images is None and self._had_pictures(i):
                self._notes.append(
                    Note(f"{path}.images", "approximated", "pictures of the answer did not come back, and go without")
                )
            ids = deque(call.id for call, _ in calls)
            parts = [_with_call_id(part, ids) for part in turn.parts if part.unnamed is None]
        else:
            signature = google.get("thought_signature")
            last = max((k for k, part in enumerate(parts) if part.text is not None), default=None)
            if isinstance(signature, str) and last is not None and message.function_call is None:  # else it is the call's
                parts[last] = msgspec.structs.replace(parts[last], thought_signature=signature)
            for call, own in calls:
                parts.append(Part(function_call=call, thought_signature=own))
        if not parts:
            return
        self._append("model", parts)
        if calls:
            self._append("user", self._responses(i, [call for call, _ in calls], path))

    def _calls(self, message: Message, path: str) -> list[tuple[FunctionCall, str | None]]:
        calls = [self._call(call, f"{path}.tool_calls[{j}]") for j, call in enumerate(message.tool_calls or ())]
        if message.function_call is not None:
            call = message.function_call
            args = self._args(call.arguments, f"{path}.function_call.arguments")
            signature = _google(message.extra_content).get("thought_signature")
            calls.append(
                (FunctionCall(name=native_name(call.name), args=args), signature if isinstance(signature, str) else None)
            )
        return calls

    def _call(self, call: ToolCall, path: str) -> tuple[FunctionCall, str | None]:
        signature = _google(call.extra_content).get("thought_signature")
        if call.custom is not None:
            name, args = call.custom.name, {CUSTOM_INPUT: call.custom.input}
        elif call.function is not None:
            name, args = call.function.name, self._args(call.function.arguments, f"{path}.function.arguments")
        else:
            raise InvalidRequest(f"{path}.function is missing.", param=f"{path}.function", code="missing_required_parameter")
        if not name:
            raise InvalidRequest(f"{path} has no name.", param=path, code="missing_required_parameter")
        return (
            FunctionCall(id=call.id or None, name=native_name(name), args=args),
            signature if isinstance(signature, str) else None,
        )

    def _args(self, arguments: str, path: str) -> dict[str, Any]:
        """Read a call's arguments; what is no JSON object is kept as a text, since the model has to see what it did."""
        if not arguments.strip():
            return {}
        try:
            args = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, RecursionError):
            args = None
        if not isinstance(args, dict):
            self._notes.append(Note(path, "approximated", "it is not a JSON object; it is sent as a text"))
            return {"arguments": arguments}
        return args

    def _earlier_turn(
        self, i: int, google: dict[str, Any], parts: list[Part], calls: list[tuple[FunctionCall, str | None]]
    ) -> Turn | None:
        """Give the turn as the client sent it back in `extra_content`, or as it is remembered, if it says what the message
        says."""
        text = "".join([part.text or "" for part in parts])
        said = [(call.name or "", call.args or {}) for call, _ in calls]
        shown = [part for part in parts if pictures.is_picture(part)]
        return self._sent_back(google, text, said, shown) or turn_of(
            self._keys.get(i, ()), self._remembered, self._profile.family, text, said, shown
        )

    def _had_pictures(self, i: int) -> bool:
        """Say whether the turn that is remembered of a message had pictures."""
        turns = [self._remembered[key] for key in self._keys.get(i, ()) if key in self._remembered]
        return any(pictures.is_picture(part) for turn in turns for part in turn.parts)

    def _spoken(self, audio: Any, path: str) -> Part:
        """Say a sound of an earlier answer: its transcript, which is remembered under its id."""
        audio_id = audio.get("id") if isinstance(audio, dict) else None
        turn = self._remembered.get(audio_id) if isinstance(audio_id, str) else None
        if turn is None:
            raise InvalidRequest(
                f"{path}.audio.id names no sound that is remembered; send its transcript as the message's content.",
                param=f"{path}.audio.id",
                code="audio_not_found",
            )
        return Part(text="".join([part.text or "" for part in turn.parts]))

    def _sent_back(
        self, google: dict[str, Any], text: str, calls: list[tuple[str, dict[str, Any]]], shown: list[Part]
    ) -> Turn | None:
        """Read the native parts that the client sent back in `extra_content`, if they say what the message says."""
        if "parts" not in google:
            return None
        try:
            sent = msgspec.convert(google["parts"], list[Part])
        except msgspec.ValidationError:
            return None
        if any(part.file_data is not None or part.function_response is not None for part in sent):
            return None  # a model says no such thing, and a file may be another owner's
        turn = Turn(self._profile.family, [part for part in sent if _has_data(part)])
        return turn_of(("sent",), {"sent": turn}, self._profile.family, text, calls, shown)

    def _responses(self, i: int, calls: list[FunctionCall], path: str) -> list[Part]:
        parts: list[Part] = []
        media: list[Part] = []
        for j, call in enumerate(calls):
            found = self._results.take(i, call.id, call.name or "")
            if found is None:
                self._notes.append(Note(f"{path}.tool_calls[{j}]", "added", "a result that says that none was given"))
                response: dict[str, Any] = NO_RESULT
                attached: list[Part] = []
            else:
                response, attached = self._response(*found)
            function_response = FunctionResponse(id=call.id, name=call.name, response=response)
            inside = fits_in_a_result if self._profile.media_in_results else _nowhere
            function_response.parts = [in_a_result(part) for part in attached if inside(part)] or None
            media += [part for part in attached if not inside(part)]
            parts.append(Part(function_response=function_response))
        return parts + media

    def _response(self, k: int, message: Message) -> tuple[dict[str, Any], list[Part]]:
        """Say a result as the object that Gemini wants, and the media beside it.

        `$ref` inside a result breaks the service (it reads it as a reference), so such a result is sent as a text.
        """
        if message.content is None or isinstance(message.content, str):
            text, media = message.content or "", _NO_MEDIA
        else:
            path = f"messages[{k}].content"
            text, media = content.text_of(message.content, path), content.media_of(message.content, path, self._media)
        try:
            value = msgspec.json.decode(text) if text[:1] in "{[" and text else text
        except (msgspec.DecodeError, RecursionError):
            value = text
        if isinstance(value, str) or '"$ref"' in text:
            return ({RESULT: text} if text or not media else {}), media
        return (value if isinstance(value, dict) else {RESULT: value}), media

    def _add_orphan(self, message: Message, path: str) -> None:
        parts = content.parts(message.content, f"{path}.content", self._media)
        name = message.name or message.tool_call_id or "a tool"
        self._notes.append(Note(path, "approximated", "a result without a call is told as a text of the user"))
        self._append("user", [Part(text=f"Result of {name[:100]}:"), *parts])

    def _append(self, role: str, parts: list[Part]) -> None:
        if not parts:
            return
        if self.turns and self.turns[-1].role == role:
            (self.turns[-1].parts or []).extend(parts)
        else:
            self.turns.append(Content(role=role, parts=parts))


_NO_EXTRA: dict[str, Any] = {}
_NO_MEDIA: list[Part] = []
_NO_CALLS: list[tuple[FunctionCall, str | None]] = []
_NOWHERE: list[int] = []


def _nowhere(_part: Part) -> bool:
    return False


class _Results:
    """The tool results of a conversation, each to be taken once, by the call that it answers."""

    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages
        self._taken: set[int] = set()
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        self._nameless: deque[int] = deque()
        self._called_at: dict[
            str, list[int]
        ] = {}  # for each id where it is called: a later call of the same id has later results
        for k, message in enumerate(messages):
            for call in message.tool_calls or ():
                self._called_at.setdefault(call.id or "", []).append(k)
            if message.role == "tool" and message.tool_call_id:
                self._by_id.setdefault(message.tool_call_id, deque()).append(k)
            elif message.role == "function" and message.name:
                self._by_name.setdefault(message.name, deque()).append(k)
            elif message.role in {"tool", "function"}:
                self._nameless.append(k)

    def take(self, after: int, call_id: str | None, name: str) -> tuple[int, Message] | None:
        """Take the first result after a message, by the call's id, else by its name, else, where it has none, by order."""
        waiting = self._by_id.get(call_id) if call_id else None
        if waiting is None and not call_id:
            waiting = next((ks for known, ks in self._by_name.items() if native_name(known) == name), None) or self._nameless
        while waiting:
            k = waiting[0]
            if k > after and self._is_called_between(after, k, call_id or ""):
                return None
            waiting.popleft()
            if k > after:
                self._taken.add(k)
                return k, self._messages[k]
        return None

    def _is_called_between(self, after: int, before: int, call_id: str) -> bool:
        """Say whether a later message calls by the same id."""
        called_at = self._called_at.get(call_id, _NOWHERE)
        later = bisect_right(called_at, after)
        return later < len(called_at) and called_at[later] < before

    def taken(self, k: int) -> bool:
        """Say whether a result was taken."""
        return k in self._taken


_EMPTY = Part()


def _has_data(part: Part) -> bool:
    """Say whether a part that was sent back is of a kind that we know."""
    return msgspec.structs.replace(part, thought=None, thought_signature=None) != _EMPTY


def _google(extra_content: Any) -> dict[str, Any]:
    """Give `extra_content.google`, whatever a client made of it."""
    google = extra_content.get("google") if isinstance(extra_content, dict) else None
    return google if isinstance(google, dict) else _NO_EXTRA


def _with_call_id(part: Part, call_ids: deque[str | None]) -> Part:
    """Give a remembered call the id that the client uses for it, so that its result is found by it."""
    if part.function_call is None:
        return part
    return msgspec.structs.replace(part, function_call=msgspec.structs.replace(part.function_call, id=call_ids.popleft()))
