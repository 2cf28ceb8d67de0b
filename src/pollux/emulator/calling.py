"""When which functions are called: the mode first, then the prompt. README.md tells the rules to people.

A turn is planned as a whole from the last text of the user: a list of rounds, each a list of calls. How many rounds are over
is read from the conversation, so nothing is remembered.
"""

import re
from collections import Counter
from typing import Any

from pollux.emulator.arguments import Drawing
from pollux.emulator.arithmetic import found_expression
from pollux.emulator.fields import COORDINATES, EXPRESSIONS, PLACES, TEXTS
from pollux.emulator.limits import CALLS_MAX
from pollux.emulator.schemas import declared_schema, properties_of
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
    calls = [] if prompt.wants_no_call and mode != "ANY" else _round(prompt, functions, done)
    if calls or mode != "ANY":
        return calls
    called = {call["name"] for content in contents for call in calls_of(content)}
    left = [one for one in functions if one["name"] not in called] or functions
    return _calls(prompt, left[:1])


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


def _round(prompt: Prompt, functions: list[Declaration], done: int) -> list[Call]:
    """Give the calls of the next round; none when all rounds are over, or the prompt asks for none."""
    asked = _asked(prompt, functions)
    if not asked and (prompt.rounds or prompt.calls_at_once):
        asked = functions if prompt.is_parallel and not prompt.calls_at_once else functions[:1]
    wanted = _wanted(prompt, asked)
    if prompt.is_one_by_one or (prompt.rounds and not prompt.is_parallel):
        rounds = prompt.rounds or len(wanted)
        return _calls(prompt, wanted)[done % len(wanted) :][:1] if done < rounds and wanted else []
    return _calls(prompt, wanted, done * len(wanted)) if done < max(prompt.rounds, 1) else []


def _asked(prompt: Prompt, functions: list[Declaration]) -> list[Declaration]:
    """Find the functions that a prompt asks for: those it names, else those it shares telling words with."""
    named = [one for one in functions if _is_named(prompt, one["name"])]
    if named:
        return sorted(named, key=lambda one: _place(prompt, one["name"]))
    scored = []
    for one in functions:
        name_words = _words(re.sub(r"([a-z])([A-Z])", r"\1 \2", one["name"])) & prompt.words
        told = " ".join((one.get("description", ""), *properties_of(one)))
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
    properties = properties_of(function)
    return any(_words(name, keep=True) & frozenset(map(stem, EXPRESSIONS)) for name in properties)


def _wanted(prompt: Prompt, functions: list[Declaration]) -> list[Declaration]:
    """List the functions to call at once: each once, or once for each of several names; or as many calls as asked for."""
    if not functions:
        return []
    if prompt.calls_at_once:
        return [functions[number % len(functions)] for number in range(prompt.calls_at_once)]
    places = len(_places(prompt, functions))
    wanted = [one for one in functions for _ in range(_repeats(one, places))]
    return (wanted * 2 if prompt.is_parallel and len(wanted) == 1 else wanted)[:CALLS_MAX]


def _places(prompt: Prompt, functions: list[Declaration]) -> list[str]:
    """List the names in a prompt that are not names of functions, nor words of theirs."""
    spoken = frozenset(word for one in functions for word in _words(one["name"]))
    return [name for name in prompt.names if stem(name) not in spoken and name not in {one["name"] for one in functions}]


def _calls(prompt: Prompt, wanted: list[Declaration], start: int = 0) -> list[Call]:
    """Draw the arguments; each further call of a function begins with another name or number."""
    not_names = frozenset(prompt.names) - frozenset(_places(prompt, wanted)) | {one["name"] for one in wanted}
    seen: Counter[str] = Counter()
    calls: list[Call] = []
    for one in wanted:
        arguments = Drawing(prompt, declared_schema(one), start + seen[one["name"]], not_names).arguments()
        seen[one["name"]] += 1
        calls.append({"name": one["name"], "args": arguments})
    return calls


def _repeats(function: Declaration, places: int) -> int:
    """Say how often a function is called at once: for each place or name, if it takes exactly one."""
    properties = properties_of(function)
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
