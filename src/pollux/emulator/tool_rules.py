"""What the service refuses in `tools` and `toolConfig`, in its words where they are known.

Sources of the words: a link is a public thread that quotes the live answer; AFTER means that no wording is known.
"""

import re
from collections import Counter
from typing import Any

from pollux.emulator.errors import invalid
from pollux.emulator.models import Model
from pollux.emulator.response_rules import google_schema_lines

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")

FUNCTIONS = "functionDeclarations"


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse wrong names, functions declared twice, settings without functions, and mixes that the family does not take."""
    tools = request.get("tools", [])
    functions = [one for tool in tools for one in tool.get(FUNCTIONS, [])]
    _check_declarations(tools)
    google = any(name != FUNCTIONS for tool in tools for name in tool) and (
        model.family.mixes_tools or model.draws or model.family_name == "media"
    )
    _check_config(request.get("toolConfig", {}), [one.get("name", "") for one in functions], beside_google=google)
    if functions and any(name != FUNCTIONS for tool in tools for name in tool):
        if not model.family.mixes_tools:
            # https://github.com/withceleste/celeste-python/issues/197
            raise invalid("Tool use with function calling is unsupported by the model.")
        if not request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
            # https://github.com/cloudwego/eino-ext/issues/761
            raise invalid(
                "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
            )


def _check_declarations(tools: list[dict[str, Any]]) -> None:
    lines, names = [], []
    for i, tool in enumerate(tools):
        for j, function in enumerate(tool.get(FUNCTIONS, [])):
            where = f"* GenerateContentRequest.tools[{i}].function_declarations[{j}]."
            names.append(function.get("name", ""))
            if not NAME.fullmatch(names[-1]):
                # https://github.com/lbjlaq/Antigravity-Manager/issues/1440, with the limit of today (gemini-native.md, 11).
                lines.append(
                    f"{where}name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, "
                    "A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n"
                )
            lines += google_schema_lines(function.get("parameters", {}), f"{where}parameters")
            if "parameters" in function and "parametersJsonSchema" in function:
                # AFTER the discovery document: "This field is mutually exclusive with `parameters`."
                lines.append(f"{where}parameters_json_schema: mutually exclusive with parameters\n")
    if lines:
        raise invalid("".join(lines[:100]))
    twice = next((name for name, count in Counter(names).items() if count > 1), "")
    if twice:
        # https://github.com/owndev/Open-WebUI-Functions/issues/135
        raise invalid(f"Duplicate function declaration found: {twice}")


def _check_config(config: dict[str, Any], names: list[str], *, beside_google: bool) -> None:
    calling = config.get("functionCallingConfig")
    if not calling or (beside_google and not names):
        return  # Recorded: Gemini 3 and its image models take it beside Google's own tools, 2.5 does not (quoted).
    if not names:
        # https://github.com/Chevey339/kelivo/issues/317 and https://github.com/UKGovernmentBEIS/inspect_ai/issues/2462
        raise invalid("Function calling config is set without function_declarations.")
    allowed = calling.get("allowedFunctionNames", [])
    where = "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names"
    if allowed and calling.get("mode", "AUTO") not in ("ANY", "VALIDATED"):
        # AFTER gemini-native.md, section 11: only with ANY and VALIDATED.
        raise invalid(f"{where}: allowed_function_names is only supported in the modes ANY and VALIDATED.\n")
    if unknown := [name for name in allowed if name not in names]:
        # AFTER.
        raise invalid("".join(f"{where}: {name} is not in function_declarations.\n" for name in unknown[:100]))
