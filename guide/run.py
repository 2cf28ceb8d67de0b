"""`make guide`: runs every sample of the guide against the real server and says what was checked in its output.

Exit codes: 0 when every row that is due is green, 1 when one is red, 2 when nothing could be run.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from guide import media
from guide.executing import execute
from guide.output import LANGUAGES, Language, Output, SampleError
from guide.report import Result, table
from guide.samples import GREEN, LATER, Sample
from guide.scene import Scene
from guide.server import ServerStartError, serving

REPOSITORY = Path(__file__).resolve().parents[1]
KEY = "guide-runner-key"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the samples as the command line says, print the table and return the exit code."""
    options = _parser().parse_args(arguments)
    files = _chosen(options.samples, options.only)
    if not files:
        where = f"no samples {options.only}" if options.only else "no samples"
        print(f"There are {where} in {options.samples}. GUIDE=… or --samples names their folder.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pollux-guide-") as name:
        folder = Path(name)
        try:
            with serving(folder) as base_url:
                scene = Scene(base_url, KEY, folder, media.write_files(folder))
                results = [result for file in files for result in run_sample(file, scene, verbose=options.verbose)]
        except ServerStartError as error:
            print(f"The server did not start: {error}", file=sys.stderr)
            return 2
        if options.verbose:
            print((folder / "server.log").read_text(errors="replace"))
    print(table(results))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    return int(any(result.due and not result.green for result in results))


def run_sample(file: Path, scene: Scene, *, verbose: bool = False) -> Iterator[Result]:
    """Run one sample file, in each of its ways, and yield a result for each. What goes wrong is in the result."""
    language, sample = LANGUAGES[file.suffix], row(file)
    if sample is None:
        yield Result(file.stem, language, issue=None, due=True, green=False, detail="guide/samples.py has no row for it")
        return
    result = Result(file.stem, language, issue=sample.issue, due=sample in GREEN, green=False, detail="")
    try:
        versions = sample.versions(file.read_text(encoding="utf-8"), language, scene)
    except SampleError as error:
        yield replace(result, detail=str(error))
        return
    for way, text in versions.items():
        started = time.monotonic()
        green, detail = _outcome(sample, text, language, scene, verbose=verbose)
        shown = f"{language} ({way})" if way else language
        yield replace(result, language=shown, green=green, detail=detail, seconds=round(time.monotonic() - started, 3))


def row(file: Path) -> Sample | None:
    """Return the table's row for a sample file, by the number that its name begins with."""
    number = file.name.split("-")[0]
    return next((sample for sample in (*GREEN, *LATER) if sample.number == number), None)


def _outcome(sample: Sample, text: str, language: Language, scene: Scene, *, verbose: bool) -> tuple[bool, str]:
    try:
        output = execute(text, language, scene)
        if verbose:
            print(f"--- {sample.number} {language}: exit code {output.exit_code}\n{output.stdout}\n{output.stderr}")
        if output.exit_code:
            return False, failure(output)
        detail = sample.check(output)
    except SampleError as error:
        return False, str(error)
    except (LookupError, ValueError, TypeError, AttributeError) as error:  # the output has another shape than the check reads
        return False, f"unexpected output: {type(error).__name__}: {error}"
    return True, detail


def failure(output: Output) -> str:
    """Say in one line why a sample's program failed: its own error line, else its last words."""
    lines = [line.strip() for line in output.stderr.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)( \[\w+\])?:", line)]
    last = (named[-1:] if output.language == "python" else named[:1]) or lines[-1:] or ["it said nothing"]
    return f"exit code {output.exit_code}: {last[0]}"


def _chosen(folder: Path, only: str | None) -> list[Path]:
    wanted = set(only.split(",")) if only else None
    if wanted is not None:
        wanted |= {sample.after for sample in (*GREEN, *LATER) if sample.number in wanted and sample.after}
    files = sorted(file for file in folder.glob("[0-9][0-9]-*") if file.suffix in LANGUAGES) if folder.is_dir() else []
    return [file for file in files if wanted is None or file.name.split("-")[0] in wanted]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m guide.run", description=__doc__)
    guide = os.environ.get("GUIDE")
    folder = Path(guide) if guide else REPOSITORY.parent / "shared" / "guide" / "samples"
    parser.add_argument(
        "--samples", type=Path, default=folder, help="folder of the samples (default: GUIDE, else ../shared/guide/samples)"
    )
    parser.add_argument("--only", metavar="NUMBERS", help="run these alone, as in 01,04")
    parser.add_argument("--verbose", action="store_true", help="show what the samples and the server printed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
