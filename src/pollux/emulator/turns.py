"""Calls and results in a conversation: their order, their number, their names, and the signatures of calls.

    user → calls → results of all of them → calls → results → text

Sources of the words: a link is a public thread that quotes the live answer. What a turn is: the *current* turn begins with
the last content of the user that has no results; its calls need signatures on Gemini 3 and later, older ones are not looked
at (gemini-native.md, section 10). A signature that is there is looked at everywhere.
"""

from typing import Any

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.families import Family
from pollux.emulator.signatures import is_valid

Content = dict[str, Any]

# https://github.com/google-gemini/gemini-cli/issues/26486 and https://github.com/continuedev/continue/issues/11164
CALL_ORDER = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."

# https://github.com/GoogleCloudPlatform/generative-ai/pull/368
RESPONSE_ORDER = "Please ensure that function response turn comes immediately after a function call turn."

# gemini-native.md, section 11.
RESPONSE_COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)

# https://github.com/lbjlaq/Antigravity-Manager/issues/970 and https://github.com/google-gemini/gemini-cli/issues/13467
CORRUPTED = "Corrupted thought signature."


def check(contents: list[Content], family: Family) -> None:
    """Refuse wrong orders, then missing and wrong signatures."""
    _check_names(contents)
    _check_order(contents)
    if family.needs_signatures:
        _check_signatures(contents, family.name)


def calls_of(content: Content) -> list[dict[str, Any]]:
    """List the calls of a content."""
    return [part["functionCall"] for part in content.get("parts", []) if "functionCall" in part]


def results_of(content: Content) -> list[dict[str, Any]]:
    """List the results of a content."""
    return [part["functionResponse"] for part in content.get("parts", []) if "functionResponse" in part]


def current_turn(contents: list[Content]) -> int:
    """Find where the current turn begins: the last content of the user without results, or the very beginning."""
    for i in range(len(contents) - 1, -1, -1):
        if contents[i].get("role") != "model" and not results_of(contents[i]):
            return i
    return 0


def missing_signature(name: str, position: int) -> NativeError:
    """Quoted in https://github.com/manthanabc/paws/issues/103 and many others; position is the content, counted from 1."""
    return invalid(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
        "and missing thought_signature may lead to degraded model performance. Additional data, function call "
        f"`default_api:{name}` , position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


def corrupted_signature() -> NativeError:
    """A signature of another model family, of another call, or cut."""
    return invalid(CORRUPTED)


def _check_names(contents: list[Content]) -> None:
    # https://github.com/router-for-me/CLIProxyAPI/issues/1903
    lines = [
        f"* GenerateContentRequest.contents[{i}].parts[{j}].{kind}.name: Name cannot be empty.\n"
        for i, content in enumerate(contents)
        for j, part in enumerate(content.get("parts", []))
        for kind, field in (("function_call", "functionCall"), ("function_response", "functionResponse"))
        if field in part and not part[field].get("name")
    ]
    if lines:
        raise invalid("".join(lines[:100]))


def _check_order(contents: list[Content]) -> None:
    """Look at steps: contents of the model that follow each other count as one (recorded)."""
    steps = _steps(contents)
    for i, (role, step) in enumerate(steps):
        before, after = steps[i - 1][1] if i else [], steps[i + 1][1] if i + 1 < len(steps) else []
        calls = sum(len(calls_of(content)) for content in step)
        if calls and (role != "model" or not before):
            raise invalid(CALL_ORDER)
        if any(results_of(content) for content in step) and not any(calls_of(content) for content in before):
            raise invalid(RESPONSE_ORDER)
        if calls and sum(len(results_of(content)) for content in after) != calls:
            raise invalid(RESPONSE_COUNT)


def _check_signatures(contents: list[Content], family: str) -> None:
    start = current_turn(contents)
    signed_step = False
    for i, content in enumerate(contents):
        if content.get("role") != "model":
            signed_step = False
        for part in content.get("parts", []):
            signature = part.get("thoughtSignature", "")
            if "functionCall" in part and not signed_step:
                signed_step = True
                if not signature and i > start:
                    raise missing_signature(part["functionCall"]["name"], i + 1)
            if signature and not is_valid(signature, family, part):
                raise corrupted_signature()


def _steps(contents: list[Content]) -> list[tuple[str, list[Content]]]:
    steps: list[tuple[str, list[Content]]] = []
    for content in contents:
        role = "model" if content.get("role") == "model" else "user"
        if role == "model" and steps and steps[-1][0] == "model":
            steps[-1][1].append(content)
        else:
            steps.append((role, [content]))
    return steps
