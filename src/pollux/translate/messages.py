"""The conversation: OpenAI's messages → Gemini's contents and system instruction."""

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import content
from pollux.translate.notes import Note
from pollux.translate.parameters import LATER
from pollux.translate.profiles import Profile
from pollux.wire.gemini.generate import Content, Part
from pollux.wire.openai.chat import Message

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "model", "model": "model"}
"""OpenAI's roles, and `model`, which Google's samples send. Source: OpenAI compatibility guide."""

LATER_ROLES = ("tool", "function")

SYSTEM_OPEN, SYSTEM_CLOSE = "<system>\n", "\n</system>"
"""The tags around a system message in the middle of a conversation, where the native API has no place for one."""

CLOSING_TURN = "Continue."
"""The user turn that closes a conversation which ends with the assistant, for families that refuse such an end."""

OPENING_TURN = "Begin."
"""The user turn of a conversation that has only system messages; the native API wants at least one."""


def contents(messages: list[Message], profile: Profile, notes: list[Note]) -> tuple[list[Content], Content | None]:
    """Give the native contents and the system instruction.

    System messages at the head become the instruction; a later one stays in its place as a tagged user text. Neighbours of one
    role are joined, their parts kept apart. An assistant message without content is left out.

    Source: OpenAI API, messages; Gemini API, Content. CONTRACT, section 3.
    Loses: the names of participants; the difference between system and developer.
    """
    if not messages:
        raise InvalidRequest(
            "messages is empty; give at least one message.", param="messages", code="missing_required_parameter"
        )
    head: list[Part] = []
    turns: list[Content] = []
    for i, message in enumerate(messages):
        role = _role(message, f"messages[{i}]", notes)
        parts = content.parts(message.content, f"messages[{i}].content")
        if role == "system":
            if not turns:
                head += parts
                continue
            role = "user"
            parts = [Part(text=f"{SYSTEM_OPEN}{part.text}{SYSTEM_CLOSE}") for part in parts]
        elif role == "model":
            parts = [part for part in parts if part.text != ""]
        elif not parts:
            raise InvalidRequest(
                f"messages[{i}].content is missing.", param=f"messages[{i}].content", code="missing_required_parameter"
            )
        if not parts:
            continue
        if turns and turns[-1].role == role:
            turns[-1].parts = [*(turns[-1].parts or []), *parts]
        else:
            turns.append(Content(role=role, parts=parts))
    _close(turns, profile, notes)
    return turns, Content(parts=head) if head else None


def _role(message: Message, path: str, notes: list[Note]) -> str:
    role = ROLES.get(message.role)
    if role is None:
        if message.role in LATER_ROLES:
            raise Unsupported(
                f"Messages of role {message.role} are not supported. {LATER}", param=f"{path}.role", code="unsupported_value"
            )
        raise InvalidRequest(
            f"There is no role {message.role[:40]!r}; use system, developer, user, assistant or tool.", param=f"{path}.role"
        )
    if message.tool_calls or message.function_call:
        raise Unsupported(f"Tool calls are not supported. {LATER}", param=f"{path}.tool_calls")
    if message.name:
        notes.append(Note(f"{path}.name", "ignored", "the native API has no names of participants"))
    return role


def _close(turns: list[Content], profile: Profile, notes: list[Note]) -> None:
    if not turns:
        turns.append(Content(role="user", parts=[Part(text=OPENING_TURN)]))
        notes.append(Note("messages", "added", "a user turn, since there were only system messages"))
    elif turns[-1].role == "model" and not profile.continues_prefill:
        turns.append(Content(role="user", parts=[Part(text=CLOSING_TURN)]))
        notes.append(
            Note("messages", "added", "a user turn at the end, since the model does not continue an assistant message")
        )
