"""One request on its way to Gemini: its native body, and at most one repair of it.

A repair repeats the native call once, before anything of an answer was told (CONTRACT, section 4): when the service refuses
a thought signature, with the documented dummy in its place; when an answer ends oddly and empty (a malformed function call,
an unexpected one, nothing at all), as it is.
"""

import msgspec

from pollux.errors import ApiError
from pollux.translate.chat import Plan, with_dummies
from pollux.translate.failures import SIGNATURE_REFUSED
from pollux.translate.notes import Note
from pollux.translate.reader import ReplyReader

_encode = msgspec.json.Encoder().encode


class Asking:
    """The native call of one request, and what may be done when it fails."""

    __slots__ = ("_mended", "_plan", "body", "notes")

    def __init__(self, plan: Plan, notes: list[Note] | None = None) -> None:
        self._plan = plan
        self._mended = False
        self.body = _encode(plan.native)
        self.notes: list[Note] = [] if notes is None else notes

    def reader(self) -> ReplyReader:
        """Give a reader for the next reply."""
        return ReplyReader(single_call=self._plan.toolbox.legacy or not self._plan.toolbox.parallel)

    def mends_error(self, error: ApiError) -> bool:
        """Say whether to call again after an error; then `body` is the repaired one."""
        return not self._mended and error.code == SIGNATURE_REFUSED and self._use_dummies()

    def mends_end(self, reader: ReplyReader) -> bool:
        """Say whether to call again after an empty answer; then `body` is the repaired one."""
        end = reader.odd_end
        if self._mended or end is None:
            return False
        if end == "MISSING_THOUGHT_SIGNATURE":
            return self._use_dummies()
        self._mended = True
        self.notes.append(Note("messages", "added", f"a second call, since the first ended empty with {end}"))
        return True

    def _use_dummies(self) -> bool:
        self._mended = True
        if not with_dummies(self._plan.native):
            return False
        self.body = _encode(self._plan.native)
        self.notes.append(Note("messages", "approximated", "a thought signature was refused; its documented dummy was sent"))
        return True
