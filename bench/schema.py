"""What the first conversion of a schema of 200 KB costs. `make bench` has the case of one that was seen before.

    .venv/bin/python -m bench.schema

In this process, with the server's settings of the garbage collector; no run has seen the schema before.
"""

import gc
import time
from statistics import median

import msgspec

from bench.bodies import openai_body
from pollux.translate import schemas

RUNS = 15

BYTES = 200_000

MILLISECONDS_MAX = 10.0
"""What is wanted on a quiet machine."""


def main() -> None:
    """Measure, and print."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    for name, raw in (("nested objects", nested()), ("definitions", definitions()), ("plain fields", plain())):
        times = [_milliseconds(raw, run) for run in range(RUNS)]
        told = (
            f"{min(times):5.1f} ms of CPU at least, {median(times):5.1f} half of {RUNS} runs; {MILLISECONDS_MAX:g} are wanted"
        )
        print(f"{name:15} {len(raw):7,} bytes: {told}")


def _milliseconds(raw: bytes, run: int) -> float:
    started = time.process_time()
    schemas.native(raw, "schema", [], description=f"Run {run}.")  # another description, another schema: none was seen before
    return (time.process_time() - started) * 1000


def nested() -> bytes:
    """The schema of the case in `make bench`."""
    body = msgspec.json.decode(openai_body("schema", stream=False))
    return msgspec.json.encode(body["response_format"]["json_schema"]["schema"])


def definitions() -> bytes:
    """Models that refer to one another, as pydantic writes them: most fields have a title, every other one a description."""
    models: dict[str, object] = {}
    while len(msgspec.json.encode(models)) < BYTES:
        number = len(models)
        models[f"Record{number}"] = {
            "description": "One record of the register, as the office keeps it: who it is about, and what belongs to it.",
            "properties": {
                "name": {"description": "The full name, as it is written in the register.", "title": "Name", "type": "string"},
                "born": {"description": "The day of birth.", "format": "date", "title": "Born", "type": "string"},
                "age": {"maximum": 150, "minimum": 0, "title": "Age", "type": "integer"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "title": "Note"},
                "tags": {
                    "default": [],
                    "description": "Words to find it by.",
                    "items": {"type": "string"},
                    "title": "Tags",
                    "type": "array",
                },
                "kind": {"default": "a", "enum": ["a", "b"], "title": "Kind", "type": "string"},
                "before": {"anyOf": [{"$ref": f"#/$defs/Record{max(number - 1, 0)}"}, {"type": "null"}], "default": None},
            },
            "required": ["name", "born", "age"],
            "title": f"Record{number}",
            "type": "object",
        }
    fields = {name.lower(): {"$ref": f"#/$defs/{name}"} for name in models}
    return msgspec.json.encode({"$defs": models, "properties": fields, "type": "object"})


def plain() -> bytes:
    """Fields and nothing else."""
    field = {"type": "string", "title": "Field", "description": "What stands in this field of the form."}
    return msgspec.json.encode({"type": "object", "properties": {f"field_{i}": field for i in range(BYTES // 100)}})


if __name__ == "__main__":
    main()
