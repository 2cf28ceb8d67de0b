"""The table of the guide's samples: which issue turns each green, what is replaced in it, what is checked in its output.

An issue that turns samples green moves their rows from LATER to GREEN; from then on `make guide` fails when one is red.
"""

from dataclasses import dataclass

from guide import checks, checks_jobs
from guide.output import Check
from guide.replacing import Versions, as_printed, both_file_ways, with_cache, with_video


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of the guide: its issue, its check, how its texts are made, and the number that must run before it."""

    number: str
    issue: int
    check: Check
    versions: Versions = as_printed
    after: str | None = None


GREEN = (
    Sample("01", 2, checks.chat),
    Sample("02", 2, checks.effort),
    Sample("03", 3, checks.thoughts),
    Sample("04", 2, checks.stream),
    Sample("05", 3, checks.tool_call),
    Sample("06", 6, checks.image_seen),
    Sample("07", 7, checks_jobs.picture),
    Sample("08", 7, checks_jobs.video_created),
    Sample("09", 7, checks_jobs.video_finished, with_video, after="08"),
    Sample("10", 6, checks.audio_heard),
    Sample("11", 5, checks.event),
    Sample("14", 4, checks.cached, with_cache),
    Sample("15", 2, checks.models),
    Sample("16", 2, checks.model),
    Sample("12", 8, checks_jobs.embedding),
    Sample("13", 8, checks_jobs.batch, both_file_ways),
)
LATER: tuple[Sample, ...] = ()
