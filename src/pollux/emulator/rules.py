"""Rules: faults for the requests that match, with a count and a probability; and the counts of faults asked by header."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pollux.emulator import faults
from pollux.emulator.faults import Fault
from pollux.emulator.limits import FAULT_COUNTERS_MAX, RULES_MAX
from pollux.emulator.matching import Incoming, Match


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault and the requests it is for. `times` and `probability` stand in the fault."""

    fault: str
    match: Match = Match()
    name: str = ""

    def __post_init__(self) -> None:
        faults.parse(self.fault)


class Rules:
    """Numbered rules, tried in order; the first that matches and is not used up applies."""

    def __init__(self, given: Iterable[Rule | Mapping[str, Any]] = (), *, seed: int = 0) -> None:
        try:
            self._given = [rule if isinstance(rule, Rule) else msgspec.convert(rule, Rule) for rule in given]
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Go back to the rules of the constructor, unused."""
        self._rules: OrderedDict[int, Rule] = OrderedDict()
        self._used: OrderedDict[str, int] = OrderedDict()
        self._tried = 0
        self._next = 1
        for rule in self._given:
            self.add(rule)

    def add(self, rule: Rule) -> int:
        """Add a rule at the end; its number is returned."""
        if len(self._rules) >= RULES_MAX:
            raise ValueError(f"there are at most {RULES_MAX} rules")
        number, self._next = self._next, self._next + 1
        self._rules[number] = rule
        return number

    def remove(self, number: int | None = None) -> bool:
        """Remove one rule, or all; False when there is none of this number."""
        if number is None:
            self._rules.clear()
            return True
        return self._rules.pop(number, None) is not None

    def listed(self) -> list[dict[str, Any]]:
        """List the rules with their numbers and how often they applied."""
        return [
            {"id": number, **msgspec.to_builtins(rule), "used": self._used.get(f"rule {number}", 0)}
            for number, rule in self._rules.items()
        ]

    def find(self, incoming: Incoming) -> tuple[str, Fault] | None:
        """Find the fault for a request, and count it: its header's, else the first rule's."""
        self._tried += 1
        header = incoming.headers.get(faults.HEADER, "")
        if header:
            fault = faults.parse(header)
            return ("header", fault) if self._applies(fault, f"header {header}") else None
        for number, rule in self._rules.items():
            if not rule.match.misses(incoming):
                fault = faults.parse(rule.fault)
                if self._applies(fault, f"rule {number}"):
                    return rule.name or f"rule {number}", fault
        return None

    def _applies(self, fault: Fault, key: str) -> bool:
        used = self._used.get(key, 0)
        if fault.times is not None and used >= fault.times:
            return False
        drawn = hashlib.sha256(f"{self._seed} {self._tried} {key}".encode()).digest()
        if int.from_bytes(drawn[:4], "big") / 2**32 >= fault.probability:
            return False
        self._used[key] = used + 1
        self._used.move_to_end(key)
        while len(self._used) > FAULT_COUNTERS_MAX:
            self._used.popitem(last=False)
        return True
