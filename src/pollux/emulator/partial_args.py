"""Arguments in pieces, as Vertex streams them with `streamFunctionCallArguments` (recorded there, four streams).

The name comes first, with `willContinue`; then each value with its JSON path, a text followed by an empty one that ends it;
at last an empty call. The pieces of a call without arguments are the call itself.
"""

from typing import Any

Part = dict[str, Any]

TEXT_PIECE_CHARS = 24
"""Length of the pieces of a text. Recorded texts came whole, or in a few pieces."""


def pieces(part: Part) -> list[list[Part]]:
    """Cut a call into the parts of its events."""
    call = part["functionCall"]
    values = list(_values("$", call.get("args", {})))
    if not values:
        return [[part]]
    head = {name: value for name, value in call.items() if name != "args"} | {"willContinue": True}
    listed = [[{**part, "functionCall": head}]]
    listed += [[{"functionCall": {"partialArgs": [value], "willContinue": True}}] for value in values]
    return [*listed, [{"functionCall": {}}]]


def _values(path: str, value: Any) -> list[dict[str, Any]]:
    match value:
        case dict() if value:
            return [piece for name, item in value.items() for piece in _values(_member(path, name), item)]
        case list() if value:
            return [piece for number, item in enumerate(value) for piece in _values(f"{path}[{number}]", item)]
        case str():
            cut = [value[i : i + TEXT_PIECE_CHARS] for i in range(0, len(value), TEXT_PIECE_CHARS)]
            told = [{"jsonPath": path, "stringValue": text, "willContinue": True} for text in cut]
            return [*told, {"jsonPath": path, "stringValue": ""}]
        case bool():
            return [{"jsonPath": path, "boolValue": value}]
        case int() | float():
            return [{"jsonPath": path, "numberValue": value}]
        case None:
            return [{"jsonPath": path, "nullValue": "NULL_VALUE"}]
    return []


def _member(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}['{name}']"
