"""The generated pages: `python -m tools.docs` writes them, `--check` fails when one is stale.

A page is a function without arguments that returns Markdown; to add one, add a row to PAGES.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pollux.cli.main import COMMANDS, EXAMPLES, parser
from pollux.cli.options import flag
from pollux.settings import Settings
from pollux.translate import images as image_rows
from pollux.translate import schema_converter, schemas, tools
from pollux.translate.endings import ENDINGS
from pollux.translate.generation_config import ELSEWHERE, NATIVE, SAME_AS
from pollux.translate.image_sizes import PIXELS
from pollux.translate.parameters import GOOGLE_ROWS, ROWS, Row
from pollux.translate.profiles import FAMILIES, NEWEST, NEWEST_PAINTER, PAINTERS, Painter, Profile
from pollux.translate.schema_keywords import TABLE as KEYWORDS
from pollux.translate.speech import VOICES
from pollux.translate.speech_request import SPEECH_GOOGLE_ROWS, SPEECH_ROWS
from pollux.translate.transcription import TRANSCRIPTION_ROWS
from pollux.translate.video_fields import ROWS as VIDEO_ROWS

DOCS = Path(__file__).resolve().parents[1] / "docs"

TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def cli() -> str:
    """The commands, from their parsers."""
    commands = next(action for action in _actions(parser()) if action.dest == "command").choices
    assert isinstance(commands, Mapping)
    sections = [_command(name, commands[name]) for name in COMMANDS]
    return "\n".join(
        [
            "# The command line",
            "",
            *_generated("the parsers in `src/pollux/cli`"),
            "",
            "| command | what it does |",
            "|---|---|",
            *(f"| [`pollux {name}`](#pollux-{name}) | {text} |" for name, text in COMMANDS.items()),
            "| `pollux --version` | print the version |",
            "",
            "Exit codes: 0 done, 1 failed, 2 asked wrongly (a flag, a setting), 130 stopped by Ctrl-C.",
            "",
            _example(EXAMPLES),
            *sections,
        ]
    )


def parameters() -> str:
    """The fate of every parameter of a chat completion, from its rows."""
    return "\n".join(
        [
            "# Parameters of chat completions",
            "",
            *_generated("the rows in `src/pollux/translate/parameters.py`"),
            "",
            "*mapped*: it reaches the native request. *ignored*: it reaches nothing, and the [loss report](losses.md) says so.",
            "*refused*: a 400 that names it. *by model*: mapped where the model takes it, else ignored; see below.",
            "Explicit null is absence. A parameter that is not in this table is dropped and reported.",
            "",
            *_rows(ROWS),
            "",
            "## Fields of extra_body.google",
            "",
            "They may stand in `extra_body.google`, `extra_body` or `google`, in snake or camel case.",
            "",
            *_rows(GOOGLE_ROWS),
            "",
            "### generation_config",
            "",
            "| field | the same as |",
            "|---|---|",
            *(f"| `{field}` | `{param}` |" for field, param in SAME_AS.items()),
            *(f"| `{field}` | nothing of OpenAI's; it goes on as it is |" for field in NATIVE),
            *(f"| `{field}` | refused: {instead} |" for field, instead in ELSEWHERE.items()),
            "",
            "## Where models differ",
            "",
            "A model is known by its name's beginning; one that is not listed is taken for the newest family.",
            "*answers a call*: how many answers one native call gives; a larger `n` takes several calls.",
            "",
            f"| family | {' | '.join(DIFFERENCES)} | answers a call |",
            f"|---|{'---|' * (len(DIFFERENCES) + 1)}",
            *(
                _family(family)
                for family in {family.family: family for _, family in FAMILIES if family.family != "not-chat"}.values()
            ),
            _family(NEWEST, "any other"),
            "",
        ]
    )


def losses() -> str:
    """The codes of the loss report, from the rows; what stands before them is `tools/losses.md`."""
    return "\n".join(
        [
            (Path(__file__).with_name("losses.md")).read_text("utf-8").rstrip("\n"),
            "",
            "## Codes",
            "",
            *_generated("`tools/losses.md` and the rows in `src/pollux/translate/parameters.py`"),
            "",
            "A code is the parameter's name and what became of it: `ignored`, `approximated`, `added` or `mismatch`.",
            "These names occur, and `unknown` for a parameter that nobody knows:",
            "",
            *(f"- `{row.name}`{_when(row)}" for row in ROWS if row.fate != "refused"),
            "",
        ]
    )


def images() -> str:
    """The page of pictures: `tools/images.md`, then sizes and parameters from the tables."""
    names: dict[Painter, list[str]] = {made: [] for made in (*(made for _, made in PAINTERS), NEWEST_PAINTER)}
    for pattern, made in PAINTERS:
        names[made].append(pattern.replace("\\", "").partition("|")[0])
    return "\n".join(
        [
            (Path(__file__).with_name("images.md")).read_text("utf-8").rstrip("\n"),
            "",
            *_generated("`tools/images.md`, the tables in `src/pollux/translate/images.py` and `image_sizes.py`"),
            "",
            "| aspect ratio | pixels at 1K |",
            "|---|---|",
            *(f"| {ratio} | {width}x{height} |" for ratio, (width, height) in PIXELS.items()),
            "",
            "512 is half as long, 2K twice, 4K four times.",
            "",
            "| model | aspect ratios | image sizes | pictures that it takes |",
            "|---|---|---|---|",
            *(
                f"| {', '.join(f'`{name}`' for name in named) or 'any other'} | {len(made.ratios)} | "
                f"{', '.join(made.sizes) or 'one'} | {made.pictures_max} |"
                for made, named in names.items()
            ),
            "",
            "## Parameters",
            "",
            *_rows(image_rows.ROWS),
            "",
            "### Fields of extra_body.google",
            "",
            "They may stand in `extra_body.google`, `extra_body`, `google` or at the top level, in snake or camel case.",
            "",
            *_rows(image_rows.GOOGLE_ROWS),
            "",
        ]
    )


def endings() -> str:
    """How answers end, from the table of finish reasons."""
    return "\n".join(
        [
            "# How an answer ends",
            "",
            *_generated("the rows in `src/pollux/translate/endings.py`"),
            "",
            "Every answer of Gemini, however it ends, comes as one legal choice: a `finish_reason` of OpenAI's, a `content`.",
            "What was said is kept, whatever ended it.",
            "",
            "- Text and then a filter: the text, `content_filter`, no refusal.",
            "- A filter before the first word, or a blocked prompt: `content` is null, `refusal` says why, `content_filter`.",
            "- Any other ending without a word: `content` is an empty text.",
            "- The limit of tokens may be reached while it thinks: `length`, and `reasoning_tokens` shows what that took.",
            "- Calls: `tool_calls`, unless a limit or a filter ended the answer.",
            "- A call whose arguments were cut is not a finished one: `length`.",
            "- The native reason, message, ratings and feedback stand in the message's `extra_content.google`:",
            "  `finish_reason`, `finish_message`, `safety_ratings`, `prompt_feedback`.",
            "- A stream that breaks off or fails midway ends with one `error` message and no `[DONE]`, after what was said.",
            "- Where a second try may help and nothing was told yet, the call is repeated once (*again*); `usage` counts both.",
            "",
            "| Gemini's reason | OpenAI's | again | what it means |",
            "|---|---|---|---|",
            *(f"| `{row.reason}` | `{row.told}` | {'yes' if row.again else ''} | {row.meaning} |" for row in ENDINGS),
            "| any other | `stop` |  | Not known yet; its name is beside the answer. |",
            "",
        ]
    )


def settings() -> str:
    """The settings, from their declarations."""
    return "\n".join(
        [
            "# Settings",
            "",
            *_generated("`src/pollux/settings.py`"),
            "",
            "A setting is read from the command line, else from the environment, else from the settings file.",
            "Else it has its default.",
            "The file is TOML, with the names below; `--config` or `POLLUX_CONFIG` names it.",
            "",
            "```toml",
            'host = "0.0.0.0"',
            "workers = 4",
            "",
            "[keys]",
            'alice = "sha256:…"  # made by `pollux key alice`',
            "",
            "[aliases]",
            'gpt-4o-mini = "gemini-3.6-flash"',
            "```",
            "",
            "| name | flag | environment | type | default | what it is for |",
            "|---|---|---|---|---|---|",
            *_settings(),
            "",
            "## Default aliases",
            "",
            "| asked for | answered by |",
            "|---|---|",
            *(f"| `{name}` | `{target}` |" for name, target in Settings().aliases.items()),
            "",
        ]
    )


def structured_output() -> str:
    """What becomes of a JSON Schema: the text, and the table of keywords."""
    text = (Path(__file__).parent / "structured_output.md").read_text("utf-8")
    limits = {
        "{bytes}": schemas.SCHEMA_BYTES_MAX,
        "{steps}": schema_converter.STEPS_MAX,
        "{depth}": schema_converter.DEPTH_MAX,
        "{tools}": tools.SCHEMAS_BYTES_MAX,
    }
    for name, limit in limits.items():
        text = text.replace(name, f"{limit:,}")
    return "\n".join(
        [
            "# Structured output",
            "",
            *_generated("`tools/structured_output.md` and the table in `src/pollux/translate/schema_keywords.py`"),
            "",
            text,
            "## Keywords",
            "",
            "*kept*: the service takes it. *rewritten*: said with what it takes. *told*: written into the description.",
            "*dropped*: it says nothing about values. A keyword that is not in this table is dropped and reported.",
            "`pattern`, `minLength`, `maxLength` and `uniqueItems` are sent too: recorded calls show them accepted.",
            "",
            "| keywords | fate | how |",
            "|---|---|---|",
            *(f"| {', '.join(f'`{name}`' for name in row.names)} | {row.fate} | {row.how} |" for row in KEYWORDS),
            "",
        ]
    )


def audio() -> str:
    """Speech and transcriptions, from `tools/audio.md`, with the tables from their rows."""
    tables = {
        "voices": ["| asked for | who speaks |", "|---|---|", *(f"| `{name}` | `{voice}` |" for name, voice in VOICES.items())],
        "transcriptions": _rows(TRANSCRIPTION_ROWS),
        "speech": [*_rows(SPEECH_ROWS), "", "Of `extra_body.google`:", "", *_rows(SPEECH_GOOGLE_ROWS)],
    }
    page = (Path(__file__).with_name("audio.md")).read_text("utf-8")
    page = page.replace(
        "# Audio\n", f"# Audio\n\n{_generated('`tools/audio.md` and the rows in `src/pollux/translate`')[0]}\n", 1
    )
    for name, table in tables.items():
        page = page.replace(f"<!-- {name} -->", "\n".join(table))
    return page


def videos() -> str:
    """Videos: the text, and the fate of each field on each engine, from the rows."""
    return "\n".join(
        [
            "# Videos",
            "",
            *_generated("`tools/videos.md` and the rows in `src/pollux/translate/video_fields.py`"),
            "",
            (Path(__file__).with_name("videos.md")).read_text("utf-8"),
            "## Fields",
            "",
            "*mapped*: it reaches the native request. *approximated*, *ignored*: the [loss report](losses.md) says so.",
            "*approximated* is said where something of the value may be lost; a value that fits loses nothing.",
            "A field that is not in this table is dropped and reported.",
            "",
            "| field | rule | Veo | where to | Omni | where to | source |",
            "|---|---|---|---|---|---|---|",
            *(
                f"| `{row.name}` | {_cell(row.rule)} | {row.veo} | {_cell(row.to_veo)} | {row.omni} | {_cell(row.to_omni)}"
                f" | {row.source} |"
                for row in VIDEO_ROWS
            ),
            "",
            "Native sources: gemini-native, sections 17.1 (Veo; recorded), 17.2 and 24 (Interactions; documentation alone).",
            "",
        ]
    )


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "audio.md": audio,
        "cli.md": cli,
        "endings.md": endings,
        "images.md": images,
        "losses.md": losses,
        "parameters.md": parameters,
        "settings.md": settings,
        "structured-output.md": structured_output,
        "videos.md": videos,
    }
)
"""Each page's name in `docs`, and what makes it."""


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or check them."""
    options = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    options.add_argument("--check", action="store_true", help="change nothing; fail when a page is stale")
    given = options.parse_args(arguments)
    stale = [name for name, page in PAGES.items() if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != page()]
    if given.check:
        for name in stale:
            print(f"docs/{name} is stale; `make docs` writes it anew.", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), "utf-8")
        print(f"docs/{name}")
    return 0


def _generated(source: str) -> list[str]:
    return [f"This page is written by `make docs` from {source}; changes made here are lost."]


def _command(name: str, command: argparse.ArgumentParser) -> str:
    """One section. It is spelled out here, since the layout of argparse's help differs between Python versions."""
    rows = _actions(command)
    positional = [_placed(action) for action in rows if not action.option_strings]
    return "\n".join(
        [
            f"## pollux {name}",
            "",
            str(command.description),
            "",
            "```",
            " ".join(["pollux", name, *positional, *(["[OPTIONS]"] if any(action.option_strings for action in rows) else [])]),
            "```",
            "",
            "| argument | what it is |",
            "|---|---|",
            *(f"| `{_spelled(action)}` | {_cell(str(action.help).replace('%%', '%'))} |" for action in rows),
            "",
            _example(str(command.epilog)),
        ]
    )


def _actions(command: argparse.ArgumentParser) -> list[argparse.Action]:
    found = command._actions  # noqa: SLF001 - argparse has no public way to ask for them
    return [action for action in found if action.dest != "help"]


def _placed(action: argparse.Action) -> str:
    return f"[{_placeholder(action)}]" if action.nargs == "?" else _placeholder(action)


def _spelled(action: argparse.Action) -> str:
    return f"{', '.join(action.option_strings)} {_placeholder(action)}" if action.option_strings else _placeholder(action)


def _placeholder(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _example(text: str) -> str:
    """Examples and the notes under them: the indented lines are commands, the others prose."""
    commands, _, prose = (
        text.removeprefix("examples:\n").partition("\n\n")
        if "\n\n  " not in text
        else (text.removeprefix("examples:\n"), "", "")
    )
    shown = "\n".join(["```sh", *(line.removeprefix("  ") for line in commands.rstrip("\n").split("\n")), "```", ""])
    return f"{shown}\n{' '.join(prose.split())}\n" if prose.strip() else shown


DIFFERENCES = {
    "`temperature`, `top_p`, `top_k`": "samples",
    "penalties": "penalties",
    "`logprobs`": "log_probabilities",
    "`reasoning_effort`": "controls_thinking",
}
"""What families differ in, and the fact of the profile that says so."""


def _rows(rows: Sequence[Row]) -> list[str]:
    return [
        "| parameter | fate | where to | remarks |",
        "|---|---|---|---|",
        *(f"| `{row.name}` | {'by model' if row.needs else row.fate} | {row.to} | {_cell(row.why)} |" for row in rows),
    ]


def _family(family: Profile, name: str = "") -> str:
    words = ["mapped" if getattr(family, fact) else "ignored" for fact in DIFFERENCES.values()]
    return f"| {name or f'`{family.family}`'} | {' | '.join(words)} | {family.candidates_max} |"


def _when(row: Row) -> str:
    """Say when a parameter is ignored: always, or on which models."""
    if row.fate == "ignored":
        return f": ignored. {row.why}"
    return f": ignored where {row.otherwise[:1].lower()}{row.otherwise[1:]}" if row.otherwise else ""


def _settings() -> Iterator[str]:
    kinds = get_type_hints(Settings)
    for setting in dataclasses.fields(Settings):
        spelled = f"`{flag(setting.name)}`" if setting.metadata["flag"] else ""
        cells = (
            f"`{setting.name}`",
            spelled,
            f"`POLLUX_{setting.name.upper()}`",
            _kind(kinds[setting.name]),
            _default(setting),
        )
        yield f"| {' | '.join(cells)} | {_cell(setting.metadata['help'])} |"


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    return TYPES.get(kind, "table of texts")


def _default(setting: "dataclasses.Field[Any]") -> str:
    match setting.default:
        case dataclasses.MISSING:
            return "[below](#default-aliases)" if setting.name == "aliases" else ""
        case "":
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case float(value):
            return f"`{value:g}`"
        case value:
            return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
