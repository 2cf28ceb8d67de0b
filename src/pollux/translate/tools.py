"""Tools: declarations, tool_choice, names, call ids.

Names: Gemini takes letters, digits, `_ : . -`, at most 128, and no digit at the head. Another name is written as one that
it takes, with a hash of the true name at its end, so that the same name is always written the same, in every turn.
"""

import functools
import hashlib
import re
from typing import Any

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import extras, schemas
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.schemas import AskedSchema
from pollux.wire.closed import joined
from pollux.wire.gemini.generate import FunctionCallingConfig, FunctionDeclaration, ToolConfig
from pollux.wire.openai.chat import ChatCompletionRequest

FUNCTIONS_MAX = 512
"""Most functions of one request. Vertex documents 512; the Developer API's limit is not documented."""

NAME_CHARACTERS_MAX = 128
"""Source: Google's discovery document, FunctionDeclaration.name."""

GOOGLE_TOOLS: dict[str, str] = {
    "google_search": "googleSearch",
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "url_context": "urlContext",
    "code_execution": "codeExecution",
    "code_interpreter": "codeExecution",
    "google_maps": "googleMaps",
    "file_search": "fileSearch",
    "computer_use": "computerUse",
}
"""Tools that run at Google, by the names that callers give them, and OpenAI's names of the like."""

NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')

CUSTOM_INPUT = "input"
"""The one parameter of a function that stands for an OpenAI custom tool."""

SCHEMAS_BYTES_MAX = schemas.SCHEMA_BYTES_MAX
"""Largest schemas of all functions together, so that a request's cost is bounded. Large tool lists have some 100 KB."""

_CUSTOM_SCHEMA = msgspec.Raw(
    msgspec.json.encode({"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]})
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_ODD = re.compile(r"[^A-Za-z0-9_.:-]+")
_SERVICE_PREFIX = "default_api:"


class Toolbox(Struct, frozen=True):
    """What a request says of tools, and what telling the answer needs: whose names were changed, which tools are custom.

    `schemas` are the functions' parameters as the caller wrote them, by name.
    """

    tools: list[dict[str, Any]] | None = None
    config: ToolConfig | None = None
    names: dict[str, str] = {}
    schemas: dict[str, AskedSchema] = {}
    custom: frozenset[str] = frozenset()
    legacy: bool = False
    parallel: bool = True

    def true_name(self, native: str) -> str:
        """Give the caller's name of a function that the model calls."""
        name = self.names.get(native)
        if name is None and native.startswith(_SERVICE_PREFIX):
            native = native.removeprefix(_SERVICE_PREFIX)
            name = self.names.get(native)
        return native if name is None else name


NO_TOOLS = Toolbox()


@functools.lru_cache(maxsize=4096)
def native_name(name: str) -> str:
    """Write a function's name as Gemini takes it; a name that it takes stays as it is."""
    if _NAME.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    plain = _ODD.sub("_", name).strip("_")[: NAME_CHARACTERS_MAX - 10]
    return f"_{plain}_{digest}" if not plain[:1].isalpha() else f"{plain}_{digest}"


def toolbox(request: ChatCompletionRequest, gemini: extras.Extras, profile: Profile, notes: list[Note]) -> Toolbox:
    """Say the request's tools in native terms. Raises InvalidRequest, naming the tool.

    Source: OpenAI API, tools, tool_choice, functions; Gemini API, Tool, FunctionCallingConfig.
    Loses: a custom tool's grammar (told to the model in words); a search's context size.
    """
    entries = _list(request.tools, "tools")
    legacy = _list(request.functions, "functions")
    if not entries and not legacy and request.web_search_options is None and not gemini.tools:
        return _without_tools(request)
    if legacy and entries:
        raise InvalidRequest("functions and tools cannot be given together; use tools.", param="functions")
    box = _Box(profile, notes)
    for i, entry in enumerate(entries):
        box.add(entry, f"tools[{i}]")
    for i, entry in enumerate(legacy):
        box.function(_object(entry, f"functions[{i}]"), f"functions[{i}]")
    for i, entry in enumerate(gemini.tools or []):
        box.google(entry, f"extra_body.google.tools[{i}]")
    if request.web_search_options is not None:
        box.search(request.web_search_options)
    return Toolbox(
        tools=box.native(),
        config=box.config(_choice(request, box.strict, {*box.names.values()})),
        names=box.names,
        schemas=box.schemas,
        custom=frozenset(box.custom),
        legacy=bool(legacy),
        parallel=request.parallel_tool_calls is not False,
    )


def _without_tools(request: ChatCompletionRequest) -> Toolbox:
    for name in ("tool_choice", "function_call"):
        if getattr(request, name) not in (None, "none", "auto"):
            raise InvalidRequest(f"{name} is given, but there are no tools.", param=name)
    return NO_TOOLS


_TOOL_KEYS = frozenset({"type", "function"})
_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
_CUSTOM_KEYS = frozenset({"name", "description", "format"})


class _Box:
    """Gathers the tools of one request."""

    def __init__(self, profile: Profile, notes: list[Note]) -> None:
        self._profile = profile
        self._notes = notes
        self._declarations: list[FunctionDeclaration] = []
        self._google: dict[str, Any] = {}
        self._room = SCHEMAS_BYTES_MAX
        self.names: dict[str, str] = {}
        self.schemas: dict[str, AskedSchema] = {}
        self.custom: set[str] = set()
        self.strict = False

    def add(self, entry: Any, path: str) -> None:
        """Add an entry of OpenAI's `tools`."""
        tool = _object(entry, path)
        match tool.get("type"):
            case "function":
                self._note_unknown(tool, _TOOL_KEYS, path)
                self.function(_object(tool.get("function"), f"{path}.function"), f"{path}.function")
            case "custom":
                self._custom(_object(tool.get("custom"), f"{path}.custom"), f"{path}.custom")
            case str(kind) if kind in GOOGLE_TOOLS:
                self._server_side(GOOGLE_TOOLS[kind], tool.get(kind) or {}, path)
                for key in tool:
                    if key not in {"type", kind}:
                        self._notes.append(Note(joined(path, key), "ignored", f"settings of {kind} stand under {path}.{kind}"))
            case None if len(tool) == 1:
                self.google(tool, path)
            case kind:
                raise InvalidRequest(
                    f"{path}.type must be function, custom, or one of {', '.join(GOOGLE_TOOLS)}; it is {str(kind)[:40]!r}.",
                    param=f"{path}.type",
                )

    def function(self, function: dict[str, Any], path: str) -> None:
        """Add a function."""
        name = function.get("name")
        parameters = function.get("parameters")
        description = function.get("description")
        if not isinstance(name, str) or not name:
            raise InvalidRequest(f"{path}.name is missing.", param=f"{path}.name", code="missing_required_parameter")
        if parameters is not None and not isinstance(parameters, dict):
            raise InvalidRequest(
                f"{path}.parameters must be a JSON Schema: an object.", param=f"{path}.parameters", code="invalid_type"
            )
        if description is not None and not isinstance(description, str):
            raise InvalidRequest(f"{path}.description must be a text.", param=f"{path}.description", code="invalid_type")
        self.strict = self.strict or function.get("strict") is True
        self._note_unknown(function, _FUNCTION_KEYS, path)
        schema = msgspec.Raw(msgspec.json.encode(parameters)) if parameters else NO_ARGUMENTS
        self._room -= len(memoryview(schema))
        if self._room < 0:
            raise InvalidRequest(
                f"The functions' parameters have more than {SCHEMAS_BYTES_MAX} bytes together.",
                param=f"{path}.parameters",
                code="schema_too_large",
            )
        self._declare(name, description, schema, path)

    def _note_unknown(self, given: dict[str, Any], known: frozenset[str], path: str) -> None:
        """Note the keys that are dropped; clients put their own ones in."""
        if not given.keys() <= known:
            self._notes.extend(
                Note(joined(path, key), "ignored", "there is no such field")
                for key, value in given.items()
                if key not in known and value is not None
            )

    def _custom(self, custom: dict[str, Any], path: str) -> None:
        self._note_unknown(custom, _CUSTOM_KEYS, path)
        description = str(custom.get("description") or "")
        form = custom.get("format")
        grammar = form.get("grammar") if isinstance(form, dict) else None
        if isinstance(grammar, dict):
            description += f"\nThe input must follow this {grammar.get('syntax', '')} grammar:\n{grammar.get('definition', '')}"
            self._notes.append(Note(f"{path}.format", "approximated", "the grammar is told to the model, not enforced"))
        name = custom.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidRequest(f"{path}.name is missing.", param=f"{path}.name", code="missing_required_parameter")
        self._declare(name, description.strip() or None, _CUSTOM_SCHEMA, path)
        self.custom.add(name)

    def _declare(self, name: str, description: str | None, schema: msgspec.Raw, path: str) -> None:
        native = native_name(name)
        if native in self.names:
            raise InvalidRequest(f"{path}.name {name[:80]!r} is given twice.", param=f"{path}.name")
        if len(self._declarations) >= FUNCTIONS_MAX:
            raise InvalidRequest(f"There are more than {FUNCTIONS_MAX} functions.", param=path.partition("[")[0])
        if native != name:
            self._notes.append(Note(f"{path}.name", "approximated", f"the model sees {native}"))
        self.names[native] = name
        self.schemas[name] = AskedSchema(schema, f"{path}.parameters")
        converted = schemas.native(schema, f"{path}.parameters", self._notes, root="object")
        self._declarations.append(FunctionDeclaration(name=native, description=description, parameters_json_schema=converted))

    def google(self, entry: dict[str, Any], path: str) -> None:
        """Add one of Google's tools in Google's form: an object whose keys are the kinds."""
        for key, value in entry.items():
            kind = extras.camel(key)
            if kind == "functionDeclarations":
                raise InvalidRequest(f"{path}.{key}: give functions in tools.", param=f"{path}.{key}")
            self._server_side(kind, value or {}, f"{path}.{key}")

    def _server_side(self, kind: str, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise InvalidRequest(f"{path} must be an object.", param=path, code="invalid_type")
        self._google[kind] = extras.camel_keys(value)

    def search(self, options: Any) -> None:
        """Add OpenAI's web search."""
        for key, value in _object(options, "web_search_options").items():
            if value is not None:
                self._notes.append(Note(joined("web_search_options", key), "ignored", "Google Search has no such option"))
        self._google.setdefault("googleSearch", {})

    def native(self) -> list[dict[str, Any]]:
        """Give the native tools: the functions in one, each of Google's in its own. Raises Unsupported for an impossible
        mix."""
        if self._declarations and self._google and not self._profile.mixes_tools:
            raise Unsupported(
                f"{self._profile.family} models cannot use {', '.join(self._google)} beside functions; Gemini 3 and later can.",
                param="tools",
                code="unsupported_value",
            )
        functions = [{"functionDeclarations": self._declarations}] if self._declarations else []
        return functions + [{kind: value} for kind, value in self._google.items()]

    def config(self, choice: FunctionCallingConfig | None) -> ToolConfig | None:
        """Give the native tool configuration."""
        mixed = bool(self._declarations and self._google)
        if choice is not None and not self._declarations:
            self._notes.append(Note("tool_choice", "ignored", "the native API cannot choose among Google's own tools"))
            return None
        if choice is None and not mixed:
            return None
        return ToolConfig(
            function_calling_config=choice,
            include_server_side_tool_invocations=True if mixed else None,
        )


def _choice(request: ChatCompletionRequest, strict: bool, names: set[str]) -> FunctionCallingConfig | None:  # noqa: FBT001
    """Say tool_choice, or the old function_call, in native terms.

    Source: Gemini API, FunctionCallingConfig; AUTO is the default and VALIDATED its strict form.
    """
    may = "VALIDATED" if strict else "AUTO"
    param = "tool_choice" if request.tool_choice is not None else "function_call"
    match request.tool_choice if request.tool_choice is not None else request.function_call:
        case None | "auto":
            return FunctionCallingConfig(mode=may) if strict else None
        case "none":
            return FunctionCallingConfig(mode="NONE")
        case "required":
            return FunctionCallingConfig(mode="ANY")
        case {"type": "function", "function": {"name": str(name)}} | {"type": "custom", "custom": {"name": str(name)}}:
            return _only("ANY", [name], names, param)
        case {"name": str(name)} if param == "function_call":
            return _only("ANY", [name], names, param)
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(tools)}}:
            allowed = [allowed_name for tool in tools if (allowed_name := _allowed_name(tool)) is not None]
            if not allowed:
                raise InvalidRequest(f"{param}.allowed_tools.tools names no function.", param=f"{param}.allowed_tools.tools")
            return _only("ANY" if mode == "required" else "VALIDATED", allowed, names, f"{param}.allowed_tools.tools")
        case other:
            raise InvalidRequest(
                f"{param} must be none, auto, required, a named tool or allowed_tools; it is {str(other)[:80]}.", param=param
            )


def _allowed_name(tool: Any) -> str | None:
    match tool:
        case {"type": "function", "function": {"name": str(name)}} | {"type": "custom", "custom": {"name": str(name)}}:
            return name
        case {"name": str(name)}:
            return name
    return None


def _only(mode: str, allowed: list[str], names: set[str], param: str) -> FunctionCallingConfig:
    for name in allowed:
        if name not in names:
            raise InvalidRequest(f"{param} names {name[:80]!r}, which is not among the tools.", param=param)
    return FunctionCallingConfig(mode=mode, allowed_function_names=[native_name(name) for name in allowed] or None)


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidRequest(f"{path} must be a list.", param=path, code="invalid_type")
    return value


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path} must be an object.", param=path, code="invalid_type")
    return value
