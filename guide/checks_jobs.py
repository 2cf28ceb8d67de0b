"""What is checked in the output of the samples for pictures, videos, embeddings and batches (07, 08, 09, 12, 13)."""

import base64
import math
import re
import time
from typing import Any

from guide import media, reading
from guide.checks import value
from guide.output import Output, SampleError

VIEWER_SECONDS_MAX = 5
"""The sample ends before the picture viewer that it started."""

RUNNING = {"queued", "in_progress"}
"""OpenAI's words for a video in work. Source: CONTRACT, section 3."""


def picture(output: Output) -> str:
    """07: a picture that is one. Python opens it in a viewer, curl prints all of it, Node its first 10,000 characters."""
    if output.language == "python":
        kind, content = "opened in the viewer", _viewed(output)
    else:
        body = value(output)
        images = body["data"] if output.language == "curl" else body
        text = images[0].get("b64_json") or ""
        kind, content = f"{len(text.removesuffix(reading.ELIDED))} characters of base64", _decoded(text)
    try:
        form, width, height = media.picture_size(content)
    except (ValueError, IndexError) as error:
        raise SampleError(f"not a picture: {error}") from error
    if not width or not height:
        raise SampleError(f"a picture of {width} by {height} pixels")
    return f"a {form} of {width} by {height} pixels, {kind}"


def video_created(output: Output) -> str:
    """08: an id, which is kept for 09, and the status of a job that runs."""
    video = _video(output)
    identity, status = video.get("id"), video.get("status")
    if not isinstance(identity, str) or identity in {"", "undefined", "None"}:
        raise SampleError(f"no id: {output.stdout[:80]!r}")
    output.scene.videos[output.language] = identity
    if status not in RUNNING:
        raise SampleError(f"the status is {status}, not {' or '.join(sorted(RUNNING))}")
    return f"id {identity}, status {status}"


def video_finished(output: Output) -> str:
    """09: polled until completed, and the URL opens an MP4. curl asks once: the job in any state but failed."""
    if output.language == "curl":
        video = value(output)
        if video.get("object") != "video" or video.get("status") not in {*RUNNING, "completed"}:
            raise SampleError(f"not a video in work or done: {str(video)[:120]}")
        if video["status"] != "completed":
            return f"id {video['id']}, status {video['status']}"
        url = video.get("url")
    else:
        found = re.search(r"^Video URL: (\S+)$", output.stdout, re.MULTILINE)
        if not found:
            raise SampleError(f"no video URL: {output.stdout.strip()[-120:]!r}")
        url = found[1]
    return f"completed; its URL opens an MP4 of {_mp4_bytes(output, str(url))} bytes"


def embedding(output: Output) -> str:
    """12: 3,072 numbers of length 1. Node elides the numbers: there, the list around them."""
    body = value(output)
    if output.language == "javascript":
        match body:
            case {
                "object": "list",
                "data": [{"object": "embedding", "embedding": [_, *_] | reading.ELIDED}],
                "model": str(name),
            }:
                return f"a list with one embedding of {name} (Node prints no deeper)"
            case _:
                raise SampleError(f"not a list with one embedding: {str(body)[:120]}")
    numbers = body["data"][0]["embedding"] if output.language == "curl" else body
    if not isinstance(numbers, list) or not all(isinstance(number, float | int) for number in numbers):
        raise SampleError(f"not a list of numbers: {str(numbers)[:80]}")
    length = math.sqrt(sum(number * number for number in numbers))
    if len(numbers) != 3072 or abs(length - 1) > 0.01:
        raise SampleError(f"{len(numbers)} numbers of length {length:.3f}, not 3072 of length 1")
    return f"{len(numbers)} numbers of length {length:.3f}"


def batch(output: Output) -> str:
    """13: a completed batch, and one chat completion for each question, in the input's order."""
    found = re.search(r"^Batch finished: (.*)$", output.stdout, re.MULTILINE)
    if not found:
        raise SampleError(f"the batch did not finish: {output.stdout.strip()[-120:]!r}")
    status = reading.from_python(found[1]).get("status")
    if status != "completed":
        raise SampleError(f"the batch ended as {status}")
    lines = [reading.from_json(line) for line in output.stdout[found.end() :].splitlines() if line.strip()]
    if [line.get("custom_id") for line in lines] != list(media.BATCH_QUESTIONS):
        raise SampleError(f"the output's custom_ids are {[line.get('custom_id') for line in lines]}")
    for line in lines:
        body = (line.get("response") or {}).get("body") or {}
        if body.get("object") != "chat.completion" or not body["choices"][0]["message"]["content"]:
            raise SampleError(f"{line['custom_id']} has no chat completion: {str(line)[:120]}")
    return f"completed; {len(lines)} lines in order, each a chat completion"


def _viewed(output: Output) -> bytes:
    if not output.shown:
        raise SampleError("the sample had no viewer to open a picture in")
    patience = time.monotonic() + VIEWER_SECONDS_MAX
    while not output.shown.is_file() and time.monotonic() < patience:
        time.sleep(0.05)
    if not output.shown.is_file():
        raise SampleError("no picture was opened in the viewer")
    return output.shown.read_bytes()


def _decoded(text: str) -> bytes:
    whole = text.removesuffix(reading.ELIDED)
    whole = whole[: len(whole) // 4 * 4] if whole != text else whole  # cut by Node: whole groups only
    try:
        return base64.b64decode(whole, validate=True)
    except ValueError as error:
        raise SampleError(f"not base64: {error}: {text[:60]!r}") from error


def _video(output: Output) -> dict[str, Any]:
    if output.language == "curl":
        return dict(value(output))
    found = re.search(r"^Operation ID: (\S+)\nStatus: (\S+)$", output.stdout, re.MULTILINE)
    if not found:
        raise SampleError(f"no operation id and status: {output.stdout[:80]!r}")
    return {"id": found[1], "status": found[2]}


def _mp4_bytes(output: Output, url: str) -> int:
    try:
        content = output.scene.get(url)
    except OSError as error:
        raise SampleError(f"the URL does not open: {error}") from error
    if content[4:8] != b"ftyp":
        raise SampleError(f"the URL opens no MP4 but {content[:16]!r}")
    return len(content)
