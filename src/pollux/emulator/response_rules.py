"""What a request says about the form of its answer: type, schema, modalities; and what of it the service refuses.

Sources of the words as in `refusals.py`: a link is a public thread that quotes the live answer, AFTER means that none is known.
"""

from typing import Any

from pollux.emulator.schemas import Schema, json_schema

JSON, ENUM, TEXT = "application/json", "text/x.enum", "text/plain"

FORMAT_TYPES = {"APPLICATION_JSON": JSON, "TEXT_PLAIN": TEXT}
"""The values of `responseFormat.text.mimeType`. Source: the discovery document, TextResponseFormat."""


def mime_type(config: dict[str, Any]) -> str:
    """Say which type the answer's text has."""
    text = config.get("responseFormat", {}).get("text", {})
    told: str = config.get("responseMimeType") or FORMAT_TYPES.get(text.get("mimeType", ""), TEXT)
    return told


def wanted_schema(config: dict[str, Any]) -> Schema | None:
    """Give the schema of the answer, in one form."""
    if "responseSchema" in config:
        return json_schema(config["responseSchema"])
    found = config.get("responseJsonSchema", config.get("_responseJsonSchema"))
    if found is None:
        found = config.get("responseFormat", {}).get("text", {}).get("schema")
    return found if isinstance(found, dict) else None
