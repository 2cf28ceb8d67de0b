"""Shapes of files and uploads.

Source: OpenAI API, Files, Uploads.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class FileObject(Struct, kw_only=True):
    """A file. Times are Unix seconds."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str = "processed"
    expires_at: int | UnsetType = UNSET


class FileList(Struct, kw_only=True):
    """One page of the files."""

    object: str = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Struct, kw_only=True):
    """A file that is gone."""

    id: str
    object: str = "file"
    deleted: bool = True


class ExpiresAfter(Struct, kw_only=True):
    """When a file goes: so many seconds after it was made."""

    anchor: Literal["created_at"]
    seconds: int


class CreateUploadRequest(Struct, kw_only=True):
    """The request for a new upload."""

    filename: str
    purpose: str
    bytes: int
    mime_type: str
    expires_after: ExpiresAfter | None = None


class CompleteUploadRequest(Struct, kw_only=True):
    """The request that makes a file of an upload's parts."""

    part_ids: list[str]
    md5: str | None = None


class Upload(Struct, kw_only=True):
    """An upload; `file` is there when it is completed."""

    id: str
    object: str = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: str
    file: FileObject | None = None


class UploadPart(Struct, kw_only=True):
    """A part that has arrived."""

    id: str
    object: str = "upload.part"
    created_at: int
    upload_id: str
