"""Reads what the samples print: Python's repr of the SDK's objects, Node's console.log of them, JSON, and event streams.

All become plain dicts, lists and values, so that a check is written once. Printed objects are read as a whole, not searched
for words: an answer may quote the request. What Node leaves out of deep objects is read as ELIDED.
"""

import ast
import re
from typing import Any

import msgspec

ELIDED = "[elided]"
"""In the place of what Node prints as [Object], [Array] or "… more items"; and at the end of a text that it cut."""

_TOKEN = re.compile(
    r"""\s+
    | (?P<elided>\[(?:Object|Array|Function|Circular|Getter|Symbol)[^\]\n]*\] | <ref\ \*\d+>)
    | (?P<more>\.\.\.\ \d+\ more\ \w+)
    | (?P<text>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*`)
    | (?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    | (?P<word>[A-Za-z_$][\w$]*)
    | (?P<sign>[{}\[\]:,+])
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None, "undefined": None, "NaN": float("nan"), "Infinity": float("inf")}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def from_json(text: str) -> Any:
    """Read one JSON value; raises ValueError."""
    return msgspec.json.decode(text.encode())


def from_events(text: str) -> list[Any]:
    """Read an event stream: the JSON of every data line, and the text "[DONE]" as itself; raises ValueError."""
    data = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
    return [piece if piece == "[DONE]" else from_json(piece) for piece in data]


def from_python(text: str) -> Any:
    """Read Python's repr of a value; an object `Name(a=1)` becomes {"a": 1}. Raises ValueError."""
    try:
        return _plain(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"not a Python value: {text[:80]!r}") from error


def from_javascript(text: str) -> list[Any]:
    """Read the objects that Node's console.log printed, one after another; raises ValueError."""
    tokens = _Tokens(text)
    values = []
    while tokens.kind:
        values.append(_value(tokens))
    return values


def _plain(node: ast.expr) -> Any:
    match node:
        case ast.Call(keywords=keywords):
            return {word.arg: _plain(word.value) for word in keywords if word.arg}
        case ast.Dict(keys=keys, values=values):
            return {_plain(key): _plain(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_plain(item) for item in items]
        case ast.Name(id=name):
            return name
        case _:
            return ast.literal_eval(node)


class _Tokens:
    """The tokens of a text, one ahead; `kind` is "" at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0
        self.kind, self.text = "", ""
        self.next()

    def next(self) -> str:
        """Step on; returns the text of the token that was left."""
        left = self.text
        self.kind, self.text = "", ""
        while not self.kind and self._position < len(self._text):
            found = _TOKEN.match(self._text, self._position)
            if not found:
                raise ValueError(f"not a printed object: {self._text[self._position :][:80]!r}")
            self._position = found.end()
            self.kind, self.text = found.lastgroup or "", found[0]
        return left

    def take(self, sign: str) -> bool:
        """Step over this sign if it is next."""
        return self.text == sign and self.kind == "sign" and bool(self.next())


def _value(tokens: _Tokens) -> Any:
    match tokens.kind, tokens.text:
        case "text", _:
            return _text(tokens)
        case "number", text:
            tokens.next()
            return float(text) if re.search(r"[.e]", text) else int(text)
        case "elided", _:
            tokens.next()
            return ELIDED
        case "word", word if word in _WORDS:
            tokens.next()
            return _WORDS[word]
        case "word", _:  # a class name before its object
            tokens.next()
            return _value(tokens)
        case "sign", "{":
            return dict(_entries(tokens, "}"))
        case "sign", "[":
            return [value for _, value in _entries(tokens, "]")]
        case _:
            raise ValueError(f"not a printed object: {tokens.text[:80]!r}")


def _entries(tokens: _Tokens, closing: str) -> list[tuple[str, Any]]:
    entries: list[tuple[str, Any]] = []
    tokens.next()
    while not tokens.take(closing):
        if tokens.kind == "more":
            tokens.next()
            entries.append((ELIDED, ELIDED))
        elif closing == "]":
            entries.append(("", _value(tokens)))
        else:
            key = _unquoted(tokens.next()) if tokens.kind == "text" else tokens.next()
            if not tokens.take(":"):
                raise ValueError(f"no value for {key[:80]!r}")
            entries.append((key, _value(tokens)))
        tokens.take(",")
        if not tokens.kind:
            raise ValueError(f"no closing {closing}")
    return entries


def _text(tokens: _Tokens) -> str:
    text = _unquoted(tokens.next())
    while tokens.take("+"):
        text += _unquoted(tokens.next())
    if tokens.kind == "more":
        tokens.next()
        text += ELIDED
    return text


def _unquoted(quoted: str) -> str:
    def escape(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:].strip("{}"), 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]+\}|.)", escape, quoted[1:-1], flags=re.DOTALL)
