"""When which functions are called: the mode first, then the prompt. README.md tells the rules to people.

A turn is planned as a whole from the last text of the user: a list of rounds, each a list of calls. How many rounds are over
is read from the conversation, so nothing is remembered.
"""

import re
from typing import Any

from pollux.emulator.arguments import COORDINATES, EXPRESSIONS, PLACES, TEXTS, Drawing
from pollux.emulator.arithmetic import found_expression
from pollux.emulator.limits import CALLS_MAX
from pollux.emulator.schemas import declared_schema
from pollux.emulator.turns import calls_of, results_of
from pollux.emulator.words import WORD, Prompt, stem, word_set

Call = dict[str, Any]
Declaration = dict[str, Any]

GENERAL = frozenset(
    stem(word)
    for word in word_set(
        "get set fetch find lookup look up list make do run call use tool function current the a an of in for by to "
        "and or with from api my new final result value data info information search query what is are this it user return "
        "give given name names time-of be as on at that which can will all any some number string"
    )
)
"""Words that say nothing about which function is meant."""


def planned_calls(request: dict[str, Any]) -> list[Call]:
    """List the calls of the next answer; none means that it is a text."""
    functions = callable_functions(request)
    if not functions:
        return []
    mode = _config(request).get("mode", "AUTO")
    text, start = asking_text(request)
    prompt = Prompt(text)
    contents = request.get("contents", [])[start + 1 :]
    done = sum(1 for content in contents if results_of(content))
    rounds = [] if prompt.wants_no_call and mode != "ANY" else _rounds(prompt, functions)
    if done < len(rounds):
        return rounds[done]
    if mode != "ANY":
        return []
    called = {call["name"] for content in contents for call in calls_of(content)}
    left = [one for one in functions if one["name"] not in called] or functions
    return _calls(prompt, left[:1], 0)


def callable_functions(request: dict[str, Any]) -> list[Declaration]:
    """List the declared functions that the settings allow to be called."""
    config = _config(request)
    allowed = config.get("allowedFunctionNames", [])
    declared = [one for tool in request.get("tools", []) for one in tool.get("functionDeclarations", [])]
    return [one for one in declared if config.get("mode") != "NONE" and (not allowed or one["name"] in allowed)]


def _config(request: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = request.get("toolConfig", {}).get("functionCallingConfig", {})
    return config


def asking_text(request: dict[str, Any]) -> tuple[str, int]:
    """Find the last text of the user, and in which content it stands."""
    contents = request.get("contents", [])
    for i in range(len(contents) - 1, -1, -1):
        if contents[i].get("role") != "model":
            text = "\n".join(part["text"] for part in contents[i].get("parts", []) if part.get("text"))
            if text.strip():
                return text, i
    return "", -1


def _rounds(prompt: Prompt, functions: list[Declaration]) -> list[list[Call]]:
    asked = _asked(prompt, functions)
    if not asked:
        if not (prompt.rounds or prompt.calls_at_once):
            return []
        asked = functions if prompt.is_parallel and not prompt.calls_at_once else functions[:1]
    calls = _calls(prompt, asked, prompt.calls_at_once)
    if prompt.rounds:
        if prompt.is_parallel or len(calls) <= 1:
            at_once = len(calls)
            return [_calls(prompt, asked, prompt.calls_at_once, number * at_once) for number in range(prompt.rounds)]
        return [[calls[number % len(calls)]] for number in range(prompt.rounds)]
    if prompt.is_one_by_one:
        return [[call] for call in calls]
    return [calls]


def _asked(prompt: Prompt, functions: list[Declaration]) -> list[Declaration]:
    """Find the functions that a prompt asks for: those it names, else those it shares telling words with."""
    named = [one for one in functions if _is_named(prompt, one["name"])]
    if named:
        return sorted(named, key=lambda one: _place(prompt, one["name"]))
    scored = []
    for one in functions:
        name_words = _words(re.sub(r"([a-z])([A-Z])", r"\1 \2", one["name"])) & prompt.words
        told = " ".join((one.get("description", ""), *declared_schema(one).get("properties", {})))
        other_words = (_words(told) & prompt.words) - name_words
        if not name_words and _takes_expression(one) and found_expression(prompt.read):
            name_words = {"arithmetic"}
        if name_words or len(other_words) >= 2:
            scored.append((len(name_words) * 3 + len(other_words), name_words or other_words, one))
    chosen: list[Declaration] = []
    covered: set[str] = set()
    for _, words, one in sorted(scored, key=lambda entry: -entry[0]):
        if words - covered:
            covered |= words
            chosen.append(one)
    return [one for one in functions if one in chosen]


def _takes_expression(function: Declaration) -> bool:
    properties = declared_schema(function).get("properties") or {}
    return any(_words(name, keep=True) & frozenset(map(stem, EXPRESSIONS)) for name in properties)


def _calls(prompt: Prompt, functions: list[Declaration], count: int, start: int = 0) -> list[Call]:
    """Call each function once, or once for each of several names when it takes one; `count` asks for so many in all."""
    names = frozenset(one["name"] for one in functions)
    spoken = frozenset(word for one in functions for word in _words(one["name"]))
    places = [name for name in prompt.names if stem(name) not in spoken and name not in names]
    ignored = names | (frozenset(prompt.names) - frozenset(places))
    if count:
        wanted = [functions[number % len(functions)] for number in range(count)]
    else:
        wanted = [one for one in functions for _ in range(_repeats(one, len(places)))]
    if not count and prompt.is_parallel and len(wanted) == 1:
        wanted *= 2
    seen: dict[str, int] = {}
    calls: list[Call] = []
    for one in wanted[:CALLS_MAX]:
        number = seen.get(one["name"], 0)
        seen[one["name"]] = number + 1
        arguments = Drawing(prompt, declared_schema(one), start + number, ignored).arguments()
        calls.append({"name": one["name"], "args": arguments})
    return calls


def _repeats(function: Declaration, places: int) -> int:
    """Say how often a function is called at once: for each place or name, if it takes exactly one."""
    properties = declared_schema(function).get("properties") or {}
    texts = [name for name, schema in properties.items() if isinstance(schema, dict) and schema.get("type") == "string"]
    words = [frozenset(_words(name, keep=True)) for name in texts]
    taking = [one for one in words if one & PLACES_STEMS]
    if len(taking) == 1 and places > 1:
        return places
    only = len(properties) == 1 and len(texts) == 1 and not words[0] & FULL_TEXT_STEMS
    return max(places if not taking else 0, 1) if only else 1


PLACES_STEMS = frozenset(map(stem, PLACES))
FULL_TEXT_STEMS = frozenset(map(stem, TEXTS | EXPRESSIONS | COORDINATES))


def _is_named(prompt: Prompt, name: str) -> bool:
    spoken = re.escape(name).replace("_", r"[_\s-]")
    return re.search(rf"(?<!\w){spoken}(?!\w)", prompt.read, re.IGNORECASE) is not None


def _place(prompt: Prompt, name: str) -> int:
    return prompt.read.lower().replace("_", " ").find(name.lower().replace("_", " "))


def _words(text: str, *, keep: bool = False) -> set[str]:
    """List the stems of a text's words, without those that say nothing."""
    words = {stem(word) for word in WORD.findall(text.replace("_", " ").replace("-", " "))}
    return words if keep else {word for word in words if word not in GENERAL and len(word) > 1}
