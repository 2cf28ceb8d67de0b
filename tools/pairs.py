"""Print the golden pairs as one page (`make pairs`): every case, what it shows, and both sides."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "pairs"

LANGUAGES = {".json": "json", ".jsonl": "json", ".txt": "text"}


def main() -> None:
    """Print the page, or the part of it whose cases begin with the given name, as in `chat/streams`."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    family = ""
    for about in sorted(FOLDER.rglob("about.md")):
        case = about.parent.relative_to(FOLDER)
        if not case.as_posix().startswith(wanted):
            continue
        if case.parent.as_posix() != family:
            family = case.parent.as_posix()
            print(f"# {family}\n")
        print(f"## {case.name.replace('_', ' ')}\n\n{about.read_text('utf-8')}")
        for file in sorted(about.parent.iterdir(), key=_order):
            if file != about:
                print(f"{file.name}:\n\n```{LANGUAGES[file.suffix]}\n{file.read_text('utf-8').strip()}\n```\n")


def _order(file: Path) -> tuple[bool, str]:
    """Put the given sides first: OpenAI's of a request and what is remembered, else Gemini's and what was asked for."""
    given = ("openai", "remembered") if file.parent.parent.name == "requests" else ("gemini", "request")
    return not file.name.startswith(given), file.name


if __name__ == "__main__":
    main()
