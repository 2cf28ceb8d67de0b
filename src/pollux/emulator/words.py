"""What a prompt asks for, read with plain rules: words, places, numbers, quoted texts, rounds, parallel calls.

The emulator understands nothing. These rules find what a test or a demonstration writes on purpose; README.md lists them.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from pollux.emulator.limits import CALLS_MAX, PROMPT_READ_CHARS_MAX, ROUNDS_MAX

WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?(?![\w])")

QUOTED = re.compile(r"[\"“”„]([^\"“”„]{1,400})[\"“”]|(?<!\w)['\u2018]([^'\u2019\n]{1,400})['\u2019](?!\w)|`([^`]{1,400})`")

URL = re.compile(r"https?://[^\s<>\"'“”`)\]]+")

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")

DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")

MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"

DAY = re.compile(
    r"\b(?:(?:next |this )?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|today|tomorrow|tonight|next (?:week|month)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH}(?:,? \d{{4}})?|{MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?)\b",
    re.IGNORECASE,
)

TOPIC = re.compile(
    r"\b(?:an?|the)\s+((?:[^\W\d_][\w'-]{0,30}\s+){0,3}?[^\W\d_][\w'-]{0,30})"
    r"(?=\s+(?:on|at|in|for|with|by|from|to|of|and|that|who|which|is|are|was|next|this|tomorrow|today)\b|\s*[.,;:!?]|\s*$)",
    re.IGNORECASE,
)

IDENTIFIER = re.compile(r"\b(?=\w{0,100}[A-Za-z])(?=[\w-]{0,100}\d)\w+(?:-\w+){0,10}\b|\b[A-Z]{2,6}\b")

COUNT_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}

COUNT = r"(\d{1,4}|" + "|".join(COUNT_WORDS) + r")"

ROUNDS = re.compile(COUNT + r"\s+(?:rounds|round|turns|turn|steps|step)\b", re.IGNORECASE)

TIMES = re.compile(COUNT + r"\s+times\b", re.IGNORECASE)

EACH = re.compile(COUNT + r"\s+(?:parallel\s+)?(?:calls|tools|functions)\b", re.IGNORECASE)

PARALLEL = re.compile(r"\b(?:in parallel|parallel|at once|simultaneously|at the same time)\b", re.IGNORECASE)

ONE_BY_ONE = re.compile(
    r"\b(?:one after (?:another|the other)|one by one|one at a time|sequentially|in sequence|step by step)\b", re.IGNORECASE
)

NO_CALL = re.compile(
    r"\b(?:without (?:calling|using)|(?:do not|don['\u2019]t|never) (?:call|use)|no (?:tools?|functions?|calls?)\b)",
    re.IGNORECASE,
)


def word_set(text: str) -> frozenset[str]:
    """Make a set of the words of a text."""
    return frozenset(text.split())


LINKS = word_set("de del di da of la le el al van von upon am the")
"""Small words inside a name: Rio de Janeiro, Isle of Man."""

SIGNS = " ?!.,;:()[]{}<>\"'“”\u2018\u2019„«»`*"

IN_PLACE = re.compile(
    r"\b(?:in|for|at|near|from|to|of)\s+((?:[^\W\d_]+)(?:\s[^\W\d_]+)?)(?=\s*(?:[?.!,;]|$|and\b|today|now|right|tomorrow|please))"
)

NO_NAME = word_set(
    "i a an the i what whats what's where when who which how why is are do does did can could would will should please call "
    "use get give tell show find search look fetch list make create add set book send write read run compute calculate "
    "translate convert compare check say hello hi also and or then now it this that these those my your our their his her "
    "its me you we they today tomorrow yesterday celsius fahrenheit ok yes no not if in on for of to from with about at "
    "one two three four five six seven eight nine ten parallel rounds round times once turn both each all any some process "
    "generate record register configure update delete open close let execute plan answer describe summarize order i'm i'd "
    "english german french spanish json python monday tuesday wednesday thursday friday saturday sunday"
)
"""Words that are no name although they may begin a sentence."""


@dataclass(frozen=True)
class Prompt:
    """A text, and what the rules find in it."""

    text: str

    @cached_property
    def read(self) -> str:
        """Give the part that is read: the beginning of a very long text."""
        return self.text[:PROMPT_READ_CHARS_MAX]

    @cached_property
    def words(self) -> frozenset[str]:
        """List the stems of all words."""
        return frozenset(stem(word) for word in WORD.findall(self.read))

    @cached_property
    def quoted(self) -> list[str]:
        """List texts in quotes."""
        return [next(filter(None, groups)) for groups in QUOTED.findall(self.read)]

    @cached_property
    def numbers(self) -> list[str]:
        """List numbers as written, without the counts of rounds and calls."""
        text = self.read
        for pattern in (ROUNDS, TIMES, EACH, URL, DATE):
            text = pattern.sub(" ", text)
        return [number.replace(",", "") for number in NUMBER.findall(text)]

    @cached_property
    def urls(self) -> list[str]:
        """List web addresses, without the sign that ends the sentence."""
        return list(dict.fromkeys(url.rstrip(".,;:!?") for url in URL.findall(self.read)))

    @cached_property
    def emails(self) -> list[str]:
        """List mail addresses."""
        return EMAIL.findall(self.read)

    @cached_property
    def dates(self) -> list[str]:
        """List dates as in 2026-11-22."""
        return DATE.findall(self.read)

    @cached_property
    def days(self) -> list[str]:
        """List days in words: Friday, tomorrow, 5 March, March 5, 2027."""
        return list(dict.fromkeys(DAY.findall(self.read)))

    @cached_property
    def topics(self) -> list[str]:
        """List what the text is about: what follows an article, as in "going to an AI conference on Friday"."""
        return list(dict.fromkeys(found.strip() for found in TOPIC.findall(URL.sub(" ", self.read))))

    @cached_property
    def telling(self) -> list[str]:
        """List the words of some length that are no small words, in order."""
        words = dict.fromkeys(word for word in WORD.findall(URL.sub(" ", self.read[:4_000])) if len(word) > 3)
        return [word for word in words if word.lower() not in NO_NAME][:200]

    @cached_property
    def identifiers(self) -> list[str]:
        """List words like order-123 and AAPL."""
        return list(dict.fromkeys(IDENTIFIER.findall(self.read)))

    @cached_property
    def names(self) -> list[str]:
        """List names of places and people: words with a capital, or in a script without them; else what follows "in"."""
        found = _names(URL.sub(" ", self.read))
        if not found:
            after = (match.group(1).split() for match in IN_PLACE.finditer(self.read))
            found = [" ".join(words) for words in after if not NO_NAME.intersection(word.lower() for word in words)]
        return list(dict.fromkeys(_with_country(found, self.read)))

    @cached_property
    def wants_no_call(self) -> bool:
        """Tell whether the text says not to call."""
        return NO_CALL.search(self.read) is not None

    @cached_property
    def is_parallel(self) -> bool:
        """Tell whether the text asks for calls at once."""
        return PARALLEL.search(self.read) is not None

    @cached_property
    def is_one_by_one(self) -> bool:
        """Tell whether the text asks for calls one after another."""
        return ONE_BY_ONE.search(self.read) is not None

    @cached_property
    def rounds(self) -> int:
        """Count the rounds that the text asks for: "10 rounds", or "3 times" when not in parallel. 0: it does not say."""
        if found := ROUNDS.search(self.read):
            return min(_count(found.group(1)), ROUNDS_MAX)
        if not self.is_parallel and (found := TIMES.search(self.read)):
            return min(_count(found.group(1)), ROUNDS_MAX)
        return 0

    @cached_property
    def calls_at_once(self) -> int:
        """Count the calls of one round: "3 calls in parallel", "3 times in parallel". 0: it does not say."""
        found = (EACH.search(self.read) or TIMES.search(self.read)) if self.is_parallel else None
        return min(_count(found.group(1)), CALLS_MAX) if found else 0


def stem(word: str) -> str:
    """Make words of one kind alike: lower case, without the endings of plural and time."""
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    for ending in ("ing", "ies", "es", "ed", "s"):
        if len(word) - len(ending) >= 4 and word.endswith(ending):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def _names(text: str) -> list[str]:
    """Find runs of words with a capital, or in a script without them; a sign ends a run, but "San Francisco, CA" is one."""
    runs: list[list[str]] = [[]]
    words = text.replace(",", ", ").split()
    for i, raw in enumerate(words):
        word = raw.strip(SIGNS)
        if _is_name(word):
            if not runs[-1] and len(word) == 2 and word.isupper() and i and words[i - 1].endswith(",") and len(runs) > 1:
                runs[-2][-1:] = [f"{runs[-2][-1]}, {word}"]
                continue
            if raw[0] in SIGNS and runs[-1]:
                runs.append([])
            runs[-1].append(word)
        elif not (runs[-1] and word in LINKS and i + 1 < len(words) and _is_name(words[i + 1].strip(SIGNS))):
            word = ""
        else:
            runs[-1].append(word)
        if runs[-1] and (not word or raw[-1] in SIGNS):
            runs.append([])
    return [" ".join(run) for run in map(_trimmed, _without_first(runs, words)) if run]


def _without_first(runs: list[list[str]], words: list[str]) -> list[list[str]]:
    """Leave out the first word of the text if it stands alone and real names follow: "Weather in Paris"."""
    listed = [run for run in runs if run]
    alone = len(listed) > 1 and len(listed[0]) == 1 and words[0].strip(SIGNS) == listed[0][0]
    if alone and words[0][-1] not in SIGNS and words[1].lower() not in ("and", "or"):
        return listed[1:]
    return listed


def _is_name(word: str) -> bool:
    return bool(word) and word[0].isalpha() and not word[0].islower() and "_" not in word


def _trimmed(run: list[str]) -> list[str]:
    """Cut words that are no name off the ends of a run."""
    while run and run[0].lower().replace("\u2019", "'") in NO_NAME:
        run = run[1:]
    while run and run[-1].lower().replace("\u2019", "'") in NO_NAME:
        run = run[:-1]
    return run


def _with_country(names: list[str], text: str) -> list[str]:
    """Join "Florence, Italy", where exactly two names stand with a comma and nothing else is listed."""
    if len(names) == 2:
        for mark in (", ", ","):
            if (joined := mark.join(names)) in text:
                return [joined]
    return names


def _count(text: str) -> int:
    return COUNT_WORDS.get(text.lower()) or int(text)
