"""The Files API's resources: what a file is, how long it lives, what may be asked of it.

Fields and their order are recorded (`upload-files.post`). `expirationTime` is 48 hours after the upload began and has nine
digits of a second, `sha256Hash` is base64 of the hexadecimal digest's text: both as recorded. Videos, and audio from a
certain size on, are PROCESSING at first; the emulator's clock makes them ACTIVE.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pollux.emulator.clock import Clock, stamp
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.faults import Fault
from pollux.emulator.limits import FILE_BYTES_MAX, PROJECT_BYTES_MAX, UPLOAD_WRITE_BYTES
from pollux.emulator.media.attached import facts_of
from pollux.emulator.media.facts import Broken, Facts
from pollux.emulator.media.kinds import Kind, kind_of
from pollux.emulator.shelves import Shelves
from pollux.emulator.spool import Bytes, Spool

LIFETIME = timedelta(hours=48)

PROCESSING_SECONDS = 2.0
"""How long a video is PROCESSING: long enough to be seen, short enough for a test that really waits."""

AUDIO_PROCESSED_BYTES = 2_000_000
"""Audio from this size on is PROCESSING first. Public reports: small files are ACTIVE at once, those of some MB are not."""

ID_CHARS_MAX, DISPLAY_NAME_CHARS_MAX = 40, 512
"""Source: the discovery document, File."""

ID = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass
class File:
    """One file of one project."""

    id: str
    display_name: str
    mime_type: str
    content: Bytes
    created: datetime
    expires: datetime
    source: str = "UPLOADED"
    ready: datetime | None = None
    """When it stops PROCESSING; None: it never does."""
    failed: bool = False
    """Then it is FAILED, not ACTIVE."""
    facts: Facts | None = None
    """What its bytes say, once they were looked at."""

    def state(self, now: datetime) -> str:
        """Say PROCESSING, ACTIVE or FAILED."""
        if self.ready is None or now < self.ready:
            return "PROCESSING"
        return "FAILED" if self.failed else "ACTIVE"

    def resource(self, now: datetime, base_url: str) -> dict[str, Any]:
        """Make the File object, keys in the recorded order; `downloadUri` and `error` stand where they exist."""
        state = self.state(now)
        updated = self.created if state == "PROCESSING" or self.ready is None else max(self.created, self.ready)
        uri = f"{base_url}/v1beta/files/{self.id}"
        told: dict[str, Any] = {"name": f"files/{self.id}"}
        if self.display_name:
            told["displayName"] = self.display_name
        told |= {
            "mimeType": self.mime_type,
            "sizeBytes": str(self.content.size),
            "createTime": stamp(self.created),
            "updateTime": stamp(updated),
            "expirationTime": fine_stamp(self.expires, self.id),
            "sha256Hash": base64.b64encode(self.content.sha256.encode()).decode(),
            "uri": uri,
            "state": state,
            "source": self.source,
        }
        if self.source == "GENERATED":
            told["downloadUri"] = f"{uri}:download?alt=media"
        if state == "ACTIVE" and self.facts is not None and self.facts.kind == "video":
            told["videoMetadata"] = {"videoDuration": f"{round(self.facts.seconds)}s"}
        if state == "FAILED":
            # No wording is known: AFTER google.rpc.Status with the code of INTERNAL.
            told["error"] = {"code": 13, "message": "The file failed to be processed."}
        return told


@dataclass
class Files:
    """All files of one emulator. Later parts make files of their own with `generate`."""

    clock: Clock
    seed: int = 0
    spool: Spool = field(default_factory=Spool)

    def __post_init__(self) -> None:
        self._shelves: Shelves[File] = Shelves(self._discard)
        self._bytes: dict[str, int] = {}
        self._count = 0

    def add(
        self, project: str, meta: dict[str, Any], content: Bytes, began: datetime, fault: Fault, source: str = "UPLOADED"
    ) -> File:
        """Keep an uploaded file, or refuse it as the service does."""
        self.check_room(project, content.size)
        name = str(meta.get("name", "")).removeprefix("files/")
        if name and self._shelves.find(project, name) is not None:
            raise exists()
        now = self.clock.now()
        mime_type = str(meta.get("mimeType", "")) or "application/octet-stream"
        file = File(
            name or self._new_id(),
            str(meta.get("displayName", "")),
            mime_type,
            content,
            now,
            began + LIFETIME,
            source,
            _ready(now, mime_type, content.size, fault),
            fault.file_state == "FAILED",
        )
        self._bytes[project] = self._bytes.get(project, 0) + content.size
        self._shelves.put(project, file)
        return file

    def generate(self, project: str, data: bytes | Path, mime_type: str, *, name: str = "", display_name: str = "") -> File:
        """Keep a file that the service itself made: it is GENERATED, ACTIVE at once, and can be downloaded.

        `project` is one of `Emulator.projects`; `name` may be longer than a caller's, as the names of batch results are.
        """
        content = self.spool.new()
        if isinstance(data, Path):
            with data.open("rb") as file:
                while piece := file.read(UPLOAD_WRITE_BYTES):
                    content.append(piece)
        else:
            content.append(data)
        meta = {"name": name, "mimeType": mime_type, "displayName": display_name}
        return self.add(project, meta, content, self.clock.now(), Fault(file_state="ACTIVE"), "GENERATED")

    async def examine(self, file: File, fault: Fault) -> None:
        """Process an uploaded film or large sound: its facts, or that it is FAILED, unless a fault has decided that."""
        kind = kind_of(file.mime_type)
        if kind not in ("audio", "video") or not _is_processed(file.mime_type, file.content.size) or fault.file_state:
            return
        try:
            await self.facts(file, kind)
        except Broken:
            file.failed = True

    async def facts(self, file: File, kind: Kind) -> Facts:
        """Look at a file's bytes, once."""
        if file.facts is None or file.facts.kind != kind:
            file.facts = await facts_of(file.content.source(), file.content.size, kind, file.mime_type)
        return file.facts

    def find(self, project: str, name: str) -> File:
        """Find a file of this project, or refuse: missing, expired and foreign ones are told in the same words."""
        self.sweep()
        file = self._shelves.find(project, name)
        if file is None:
            raise forbidden(name)
        return file

    def has(self, project: str, name: str) -> bool:
        """Tell whether a file is still there."""
        return self._shelves.find(project, name) is not None

    def remove(self, project: str, name: str) -> None:
        """Delete a file; the second time it is no longer there."""
        self.find(project, name)
        self._shelves.remove(project, name)

    def page(self, project: str, size: int, token: str) -> tuple[list[File], str]:
        """List a page of a project's files, newest first."""
        self.sweep()
        return self._shelves.page(project, size, token)

    def check_new(self, project: str, meta: dict[str, Any], size: int) -> None:
        """Refuse the metadata of a new file before its bytes come."""
        name = str(meta.get("name", ""))
        if name:
            check_id(name.removeprefix("files/"), "CreateFileRequest.file.name")
            self.sweep()
            if self._shelves.find(project, name.removeprefix("files/")) is not None:
                raise exists()
        if len(str(meta.get("displayName", ""))) > DISPLAY_NAME_CHARS_MAX:
            # AFTER the file id.
            where = "CreateFileRequest.file.display_name"
            raise invalid(f"* {where}: Display name cannot be more than {DISPLAY_NAME_CHARS_MAX} characters.\n")
        self.check_room(project, size)

    def check_room(self, project: str, size: int) -> None:
        """Refuse a file that is too large, or one for which the project has no room."""
        if size > FILE_BYTES_MAX:
            # No wording is known: AFTER "Request payload size exceeds the limit".
            raise invalid(f"File size exceeds the limit: {FILE_BYTES_MAX} bytes.")
        if self._bytes.get(project, 0) + size > PROJECT_BYTES_MAX:
            # No wording is known: AFTER the 429 of other quotas.
            text = f"You exceeded your current quota: the files of a project are at most {PROJECT_BYTES_MAX} bytes."
            raise NativeError(429, text)

    def sweep(self) -> None:
        """Delete what has expired."""
        self._shelves.sweep(self.clock.now())

    def clear(self) -> None:
        """Delete everything."""
        self._shelves.clear()
        self._bytes.clear()
        self._count = 0
        self.spool.close()

    def _discard(self, project: str, file: File) -> None:
        self._bytes[project] = self._bytes.get(project, 0) - file.content.size
        file.content.discard()

    def _new_id(self) -> str:
        """Make an id of twelve characters (recorded), the same in every run."""
        self._count += 1
        return opaque_id(f"file {self.seed} {self._count}", 12)


def check_id(name: str, where: str) -> None:
    """Refuse an id of a wrong form."""
    if len(name) > ID_CHARS_MAX:
        # Quoted in googleapis/python-genai#1613.
        raise invalid(f"* {where}: File ID (name excluding 'files/') cannot be more than {ID_CHARS_MAX} characters.\n")
    if not ID.fullmatch(name):
        # AFTER the length, with the rule of the discovery document.
        raise invalid(
            f"* {where}: File ID (name excluding 'files/') can only contain lowercase alphanumeric characters or dashes (-) "
            "and cannot begin or end with a dash.\n"
        )


def forbidden(name: str) -> NativeError:
    """Quoted in googleapis/python-genai#1218 and many others: a file that is missing, expired or another project's."""
    return NativeError(403, f"You do not have permission to access the File {name} or it may not exist.")


def not_active(name: str) -> NativeError:
    """Quoted in public logs, with this status: a file that a request uses while it is PROCESSING, or that FAILED."""
    return NativeError(400, f"The File {name} is not in an ACTIVE state and usage is not allowed.", "FAILED_PRECONDITION")


def not_generated(name: str) -> NativeError:
    """No wording is known: AFTER the documentation of `files.download` ("only generated files can be downloaded")."""
    return NativeError(
        400, f"The File {name} was uploaded and cannot be downloaded. Only generated files can be.", "FAILED_PRECONDITION"
    )


def exists() -> NativeError:
    """Google's common words for ALREADY_EXISTS. Source: gemini-native.md, section 25 (409: file id taken)."""
    return NativeError(409, "Requested entity already exists", "ALREADY_EXISTS")


def fine_stamp(moment: datetime, label: str) -> str:
    """Write a time with nine digits of a second, as the service writes expiry (recorded); clients must read it."""
    nanoseconds = int.from_bytes(hashlib.sha256(label.encode()).digest()[:2], "big") % 999 + 1
    return f"{stamp(moment)[:-1]}{nanoseconds:03}Z"


def opaque_id(label: str, length: int) -> str:
    """Make an id of small letters and digits."""
    number = int.from_bytes(hashlib.sha512(label.encode()).digest(), "big")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[number // 36**place % 36] for place in range(length))


def _ready(now: datetime, mime_type: str, size: int, fault: Fault) -> datetime | None:
    if fault.file_state == "PROCESSING":
        return None
    seconds = PROCESSING_SECONDS if _is_processed(mime_type, size) and fault.file_state != "ACTIVE" else 0.0
    return now + timedelta(seconds=seconds if fault.processing is None else fault.processing)


def _is_processed(mime_type: str, size: int) -> bool:
    return mime_type.startswith("video/") or (mime_type.startswith("audio/") and size >= AUDIO_PROCESSED_BYTES)
