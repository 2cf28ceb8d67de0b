"""Texts that a regular expression matches: the expression is read into a tree, and the tree is spelled out.

ECMAScript's expressions and Python's are read, without what looks around or back: such parts are left out, and the text
is tried afterwards. Nothing is searched for, so no expression takes long. Repetitions are short: as few times as they
must, and some more when a longer text is wanted.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

PATTERN_CHARS_MAX = 2_000
"""Length of an expression that is read."""

GROUPS_MAX = 60
"""Nesting of groups."""

MADE_CHARS_MAX = 2_000
"""Length of a text that an expression is spelled out to."""

STEPS_MAX = 4_000_000
"""Comparisons that trying an expression may take at worst: some tenths of a second."""

Pick = Callable[[int], int]
"""Chooses one of so many: a number from 0 on."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: one of `chars`, one of several sequences, or a repetition of one part."""

    chars: str = ""
    options: "tuple[tuple[Node, ...], ...]" = ()
    times: tuple[int, int] = (1, 1)


class NotRead(ValueError):
    """The expression is none, or more than this reader knows."""


PRINTABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:/@#+=!?%&*()[]{}<>;'\"$^~|\\`"

CLASSES = {
    "d": "0123456789",
    "w": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
    "s": " ",
}

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}

UNBOUNDED = 1_000_000


def matching_text(pattern: str, pick: Pick, least: int = 0, most: int | None = None) -> str | None:
    """Make a text that an expression matches, of a length within limits if there is one; None if it is not known how."""
    try:
        tree = _read(pattern)
    except NotRead:
        return None
    found = None
    for extra in (0, 0, 0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 610, 1_597):
        text = _spelled((tree,), pick, extra)
        if not tries(pattern, text):
            continue
        found = text if found is None else found
        if len(text) >= least and (most is None or len(text) <= most):
            return text
        if len(text) >= MADE_CHARS_MAX or (most is not None and len(text) > most):
            break
    return found


def tries(pattern: str, text: str) -> bool:
    """Tell whether a text matches. Where trying could take for ever, it is believed."""
    compiled = _compiled(pattern)
    if compiled is None or not _is_quick(pattern, text):
        return True
    return compiled.search(text) is not None


def can_be_tried(pattern: str, text: str) -> bool:
    """Tell whether the expression is one, and trying it on this text ends in time."""
    return _compiled(pattern) is not None and _is_quick(pattern, text)


REPEATED_GROUP = re.compile(r"\)[*+{]")
REPEATED = re.compile(r"[*+]|\{\d*,")


def _is_quick(pattern: str, text: str) -> bool:
    length = max(len(text), 2)
    if len(pattern) > PATTERN_CHARS_MAX:
        return False
    if REPEATED_GROUP.search(pattern):
        return length <= 16
    return bool(length ** min(len(REPEATED.findall(pattern)), 40) <= STEPS_MAX)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile an expression of ECMAScript for Python."""
    text = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern)
    text = re.sub(r"\\p\{(?:L|Letter|Alphabetic)\}", r"[^\\W\\d_]", text)
    text = re.sub(r"\\p\{(?:N|Nd|Number)\}", r"\\d", text)
    text = re.sub(r"\\u\{([0-9a-fA-F]{1,6})\}", lambda found: re.escape(_character(found.group(1))), text)
    text = re.sub(r"\\/", "/", text)
    try:
        return re.compile(text, re.ASCII if "\\p" not in pattern else 0)
    except (re.error, RecursionError, OverflowError):
        return None


@lru_cache(maxsize=512)
def _read(pattern: str) -> Node:
    if len(pattern) > PATTERN_CHARS_MAX:
        raise NotRead
    reader = _Reader(pattern)
    node = reader.alternatives(0)
    if reader.at < len(pattern):
        raise NotRead
    return node


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise NotRead
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> Node:
        if depth > GROUPS_MAX:
            raise NotRead
        options: list[tuple[Node, ...]] = []
        sequence: list[Node] = []
        while self.next() not in ("", ")"):
            if self.next() == "|":
                self.at += 1
                options.append(tuple(sequence))
                sequence = []
                continue
            part = self.part(depth)
            times = self.times()
            if part is not None and times[1]:
                sequence.append(part if times == (1, 1) else Node(options=((part,),), times=times))
        return Node(options=(*options, tuple(sequence)))

    def part(self, depth: int) -> Node | None:
        char = self.take()
        match char:
            case "^" | "$":
                return None
            case ".":
                return Node(PRINTABLE)
            case "[":
                return Node(self.one_of())
            case "(":
                return self.group(depth)
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise NotRead
        return Node(char)

    def group(self, depth: int) -> Node | None:
        keeps = True
        if self.next() == "?":
            found = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>|(?P<around><?[=!]))").match(self.pattern, self.at)
            if found is None:
                raise NotRead
            keeps = found.group("around") is None
            self.at = found.end()
        inner = self.alternatives(depth + 1)
        if self.take() != ")":
            raise NotRead
        return inner if keeps else None

    def escape(self) -> Node | None:
        char = self.take()
        if char in "bBAZz":
            return None
        if char.isdigit() and char != "0":
            raise NotRead
        chars = self.escaped(char)
        return Node(chars)

    def escaped(self, char: str) -> str:
        if char.lower() in CLASSES:
            members = CLASSES[char.lower()]
            return members if char.islower() else "".join(one for one in PRINTABLE if one not in members)
        if char in "xu":
            found = re.compile(r"\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}|[0-9a-fA-F]{2})").match(self.pattern, self.at)
            if found is None:
                return char
            self.at = found.end()
            return _character(found.group(1) or found.group(2))
        if char in "pP" and self.next() == "{":
            end = self.pattern.find("}", self.at)
            kind = self.pattern[self.at + 1 : end].split("=")[-1]
            self.at = max(end, self.at) + 1
            return "".join(one for one in PRINTABLE if _is_of_kind(one, kind) == (char == "p")) or "x"
        return ESCAPES.get(char, char)

    def one_of(self) -> str:
        negated = self.next() == "^"
        self.at += negated
        members: list[str] = []
        while self.next() != "]" or not members:
            if self.next() == "]" and not negated and not members:
                raise NotRead
            char = self.take()
            first = self.escaped(self.take()) if char == "\\" and self.next() != "b" else char
            if len(first) == 1 and self.next() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                char = self.take()
                last = self.escaped(self.take()) if char == "\\" else char
                if len(last) != 1 or last < first:
                    raise NotRead
                members.append("".join(map(chr, range(ord(first), min(ord(last), ord(first) + 300) + 1))))
            else:
                members.append(first)
        self.at += 1
        listed = "".join(members)
        if not negated:
            return listed
        return "".join(one for one in PRINTABLE if one not in listed) or "\u00a1"

    def times(self) -> tuple[int, int]:
        found = re.compile(r"([*+?]|\{(\d{1,6})(,?)(\d{0,6})\})[?+]?").match(self.pattern, self.at)
        if found is None:
            return 1, 1
        self.at = found.end()
        sign, least, comma, most = found.groups()
        if sign in ("*", "+", "?"):
            return int(sign == "+"), 1 if sign == "?" else UNBOUNDED
        return int(least), int(most) if most else UNBOUNDED if comma else int(least)


def _spelled(sequence: tuple[Node, ...], pick: Pick, extra: int) -> str:
    """Spell a sequence out; `extra` is how often a part is repeated beyond what it must."""
    made: list[str] = []
    length = 0
    for node in sequence:
        least, most = node.times
        for _ in range(min(least + min(extra, most - least), MADE_CHARS_MAX)):
            if length > MADE_CHARS_MAX:
                break
            text = node.chars[pick(len(node.chars))] if node.chars else ""
            if node.options:
                text = _spelled(node.options[pick(len(node.options))], pick, extra)
            made.append(text)
            length += len(text)
    return "".join(made)


def _character(digits: str) -> str:
    code = int(digits, 16)
    return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "?"


def _is_of_kind(char: str, kind: str) -> bool:
    return unicodedata.category(char).startswith(KINDS.get(kind, kind))


KINDS = {
    "Letter": "L",
    "Alphabetic": "L",
    "Number": "N",
    "Lowercase_Letter": "Ll",
    "Uppercase_Letter": "Lu",
    "Punctuation": "P",
}
