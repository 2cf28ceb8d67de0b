"""Scripted answers, from a file (JSON or TOML) or from Python: see README.md for the format.

Entries are tried in order; the first that matches answers. In strict mode a request that none matches is an error that
names every entry and why it did not match.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from pollux.emulator import faults
from pollux.emulator.errors import NativeError
from pollux.emulator.limits import SCRIPT_BYTES_MAX, SCRIPT_ENTRIES_MAX
from pollux.emulator.matching import Incoming, Match


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scripted answer: a text, events or calls; or one of reply, replies, error, blocked; or fault, finish, empty."""

    text: str | None = None
    """The text; cut into events, stopped and limited like any answer."""
    events: list[str] | None = None
    """Texts of the stream events, one each."""
    calls: list[dict[str, Any]] | None = None
    """Function calls, `{"name": …, "args": {…}}`, with ids, signatures and endings of the family; beside a text or alone."""
    reply: dict[str, Any] | None = None
    """A native GenerateContentResponse, sent as it is."""
    replies: list[dict[str, Any]] | None = None
    """Native replies, one for each stream event, sent as they are."""
    error: dict[str, Any] | None = None
    """A native error: `{"code": 503, "message": …, "status": …, "details": […]}`."""
    blocked: str | None = None
    """The prompt is blocked for this reason."""
    thoughts: list[str] | None = None
    """Summaries of thoughts, shown when the request asks for them."""
    finish: str | None = None
    """Another finish reason than STOP."""
    finish_message: str = ""
    empty: bool = False
    """An answer without parts."""
    fault: str = ""
    """A fault besides, in the language of the `x-emulator-fault` header."""

    def __post_init__(self) -> None:
        kinds = ("text", "events", "reply", "replies", "error", "blocked")
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) > 1 or (self.calls and given and given[0] not in ("text", "events")):
            raise ValueError(f"an answer is one of {', '.join(given)}, not several" if len(given) > 1 else
                             f"calls stand beside a text, not beside {given[0]}")  # fmt: skip
        if not given and not (self.fault or self.finish or self.empty or self.calls):
            raise ValueError("an answer needs one of text, events, calls, reply, replies, error, blocked, finish, empty, fault")
        if any(
            not isinstance(call.get("name"), str) or not isinstance(call.get("args", {}), dict) for call in self.calls or ()
        ):
            raise ValueError("a call has a name, and arguments as an object")
        if self.error is not None and not 400 <= self.error.get("code", 0) <= 599:
            raise ValueError("error.code is between 400 and 599")
        faults.parse(self.fault)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a script: conditions, and one answer or a sequence of them."""

    match: Match = Match()
    say: Say | list[Say] = []
    """The answer, or answers in turn."""
    then: Literal["stop", "last", "cycle"] = "stop"
    """After a sequence: no longer match, repeat the last, or begin again. One answer alone repeats."""
    times: int | None = None
    """Match at most so many times."""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.say:
            raise ValueError("an entry needs an answer under 'say'")


class ScriptFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole script file."""

    answers: list[Entry]
    strict: bool = False


@dataclass
class Script:
    """Entries with their counts."""

    entries: list[Entry] = field(default_factory=list)
    strict: bool = False
    used: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.entries) > SCRIPT_ENTRIES_MAX:
            raise ValueError(f"a script has at most {SCRIPT_ENTRIES_MAX} entries")
        self.used = [0] * len(self.entries)

    @classmethod
    def load(cls, path: Path | str) -> "Script":
        """Read a `.json` or `.toml` file, or raise ValueError with the place of the mistake."""
        path = Path(path)
        data = path.read_bytes()
        if len(data) > SCRIPT_BYTES_MAX:
            raise ValueError(f"{path.name}: a script is at most {SCRIPT_BYTES_MAX} bytes long")
        try:
            value = tomllib.loads(data.decode()) if path.suffix == ".toml" else msgspec.json.decode(data)
            return cls.of(value)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ValueError(f"{path.name}: {error}") from None

    @classmethod
    def of(cls, value: "Script | Mapping[str, Any] | Iterable[Any] | Path | str | None") -> "Script":
        """Make a script of what a constructor takes: entries as objects or dicts, a whole script, or a file's path."""
        if value is None:
            return cls()
        if isinstance(value, Script):
            return value
        if isinstance(value, (str, Path)):
            return cls.load(value)
        if not isinstance(value, Mapping):
            value = {"answers": [msgspec.to_builtins(entry) for entry in value]}
        try:
            script = msgspec.convert(value, ScriptFile)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        return cls(list(script.answers), strict=script.strict)

    def find(self, incoming: Incoming) -> tuple[str, Say] | None:
        """Find the answer for a request and count it; in strict mode a miss is an error."""
        for index, entry in enumerate(self.entries):
            if not self._exhausted(index) and not entry.match.misses(incoming):
                count = self.used[index]
                self.used[index] += 1
                says = entry.say if isinstance(entry.say, list) else [entry.say]
                place = count % len(says) if entry.then == "cycle" else min(count, len(says) - 1)
                return entry.name or f"answers[{index}]", says[place]
        if self.strict:
            raise self.miss(incoming)
        return None

    def miss(self, incoming: Incoming) -> NativeError:
        """Tell which entries there are and why none answered. Exhausted is told from not matching."""
        lines = [f"The emulator's script is strict, and no entry answers this {incoming.method} of {incoming.model}."]
        for index, entry in enumerate(self.entries[:50]):
            missed = entry.match.misses(incoming)
            why = "; ".join(missed) if missed else f"it matches, but is exhausted after {self.used[index]} answers"
            lines.append(f"- {entry.name or f'answers[{index}]'}: {why}")
        return NativeError(501, "\n".join(lines))

    def reset(self) -> None:
        """Begin all counts again."""
        self.used = [0] * len(self.entries)

    def _exhausted(self, index: int) -> bool:
        entry, used = self.entries[index], self.used[index]
        if entry.times is not None and used >= entry.times:
            return True
        return isinstance(entry.say, list) and entry.then == "stop" and used >= len(entry.say)
