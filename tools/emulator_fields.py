"""Generate `src/pollux/emulator/fields.json` from Google's discovery document.

    python tools/emulator_fields.py ../shared/reference/gemini-v1beta-discovery.json

The file holds the names and kinds of every field a request of the native API may have, and nothing else of the
document. A kind is a scalar of protobuf's (`string`, `int32`, `bytes` …), `any`, `struct`, `enum:NAME`, or the name of
another message; `[]` before it says list, `{}` says map. What is real and newer than the document stands by hand in
`src/pollux/emulator/newer_fields.py`.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

TARGET = Path(__file__).resolve().parents[1] / "src/pollux/emulator/fields.json"

ROOTS = (
    "GenerateContentRequest",
    "CountTokensRequest",
    "EmbedContentRequest",
    "BatchEmbedContentsRequest",
    "AsyncBatchEmbedContentRequest",
    "BatchGenerateContentRequest",
    "CachedContent",
    "CreateFileRequest",
    "FileSearchStore",
    "ImportFileRequest",
    "UploadToFileSearchStoreRequest",
    "PredictRequest",
    "PredictLongRunningRequest",
    "RegisterFilesRequest",
)
"""Request messages of the methods that the emulator has or will have."""

SCALARS = {
    ("string", None): "string",
    ("string", "byte"): "bytes",
    ("string", "int64"): "int64",
    ("string", "uint64"): "uint64",
    ("string", "google-datetime"): "timestamp",
    ("string", "google-duration"): "duration",
    ("string", "google-fieldmask"): "string",
    ("integer", "int32"): "int32",
    ("integer", "uint32"): "uint32",
    ("number", "float"): "float",
    ("number", "double"): "double",
    ("boolean", None): "bool",
    ("any", None): "any",
}

ENUM_NAMES = {
    ("Schema", "type"): "Type",
    ("SafetySetting", "category"): "HarmCategory",
    ("SafetySetting", "threshold"): "SafetySetting.HarmBlockThreshold",
    ("GenerationConfig", "responseModalities"): "GenerationConfig.Modality",
    ("EmbedContentRequest", "taskType"): "TaskType",
    ("FunctionCallingConfig", "mode"): "FunctionCallingConfig.Mode",
}
"""Names of enumerations, as Google's error messages say them; the document has none. Others are Message.Field."""


def main(source: Path) -> None:
    """Read the document, write the table."""
    document = msgspec.json.decode(source.read_bytes())
    schemas: dict[str, Any] = document["schemas"]
    messages: dict[str, dict[str, str]] = {}
    enums: dict[str, list[str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in messages or name not in schemas:
            continue
        fields = schemas[name].get("properties", {})
        messages[name] = {field: kind(name, field, shape, enums) for field, shape in sorted(fields.items())}
        waiting += [k.lstrip("[]{}") for k in messages[name].values() if k.lstrip("[]{}")[:1].isupper()]
    table = {
        "revision": document["revision"],
        "messages": dict(sorted(messages.items())),
        "enums": dict(sorted(enums.items())),
    }
    TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")


def kind(message: str, field: str, shape: dict[str, Any], enums: dict[str, list[str]]) -> str:
    """Say the kind of a field in one word."""
    if "$ref" in shape:
        return str(shape["$ref"])
    if shape.get("type") == "array":
        return "[]" + kind(message, field, shape["items"], enums)
    if shape.get("type") == "object":
        values = shape["additionalProperties"]
        return "struct" if values.get("type") == "any" else "{}" + kind(message, field, values, enums)
    if "enum" in shape:
        name = ENUM_NAMES.get((message, field), f"{message}.{field[0].upper()}{field[1:]}")
        enums[name] = shape["enum"]
        return f"enum:{name}"
    return SCALARS[shape["type"], shape.get("format")]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
