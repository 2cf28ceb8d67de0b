"""What the native API refuses although its shape is right, in the service's words, and what this emulator cannot do yet.

Sources of the words: RECORDED is a fixture of ../shared; a link is a public thread or test that quotes the live answer;
AFTER means that no wording is known, and this one is formed after its neighbours.
"""

from typing import Any

from pollux.emulator import errors, response_rules, tool_rules, turns
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.models import Model
from pollux.emulator.shapes import PART_DATA
from pollux.emulator.tokens import FILE, count_prompt

ROLES = ("", "user", "model", "function")
"""A missing role is a user's; `function` is the legacy role of tool results (recorded once, status 200)."""

MIME_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")


def check(request: dict[str, Any], model: Model, enabled: frozenset[str] = frozenset()) -> None:
    """Refuse a canonical GenerateContentRequest as the service would."""
    check_contents(request.get("contents", []), "GenerateContentRequest")
    tool_rules.check(request, model)
    turns.check(request["contents"], model.family)
    config = request.get("generationConfig", {})
    _check_ranges(config, 8 if "candidates" in enabled else model.family.candidates_max)
    _check_thinking(config.get("thinkingConfig", {}), model)
    _check_enabled(config, model, enabled)
    response_rules.check(request, model)
    if request["contents"][-1].get("role") == "model" and not model.family.prefill:
        # https://github.com/pipecat-ai/pipecat/pull/5821; 3.6 Flash added "unless the last part is a function response".
        raise invalid("Requests ending with a model turn are not supported.")
    if count_prompt(request) > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)


def check_contents(contents: list[dict[str, Any]], message: str) -> None:
    """Refuse an empty conversation, unknown roles, empty turns, parts without data."""
    if not contents:
        # https://github.com/vercel/ai/issues/3775 and many others.
        raise invalid(f"* {message}.contents: contents is not specified\n")
    if any(content.get("role", "") not in ROLES for content in contents):
        # https://github.com/router-for-me/CLIProxyAPI/issues/2791
        raise invalid("Please use a valid role: user, model.")
    lines = []
    for i, content in enumerate(contents):
        if not content.get("parts"):
            lines.append(f"* {message}.contents[{i}].parts: contents.parts must not be empty.\n")
        lines += [
            # https://github.com/boldsoftware/sketch/issues/68
            f"* {message}.contents[{i}].parts[{j}].data: required oneof field 'data' must have one initialized field\n"
            for j, part in enumerate(content.get("parts", []))
            if PART_DATA.isdisjoint(part) and "thoughtSignature" not in part and not part.get("thought")
        ]
    if lines:
        raise invalid("".join(lines[:100]))


def _check_ranges(config: dict[str, Any], candidates_max: int) -> None:
    where = "* GenerateContentRequest.generation_config."
    lines = []
    # Quoted in a public probe of 2026, word for word.
    if not 0 <= config.get("temperature", 0) <= 2:
        lines.append(f"{where}temperature: temperature must be in the range [0.0, 2.0].\n")
    # AFTER temperature.
    if not 0 <= config.get("topP", 0) <= 1:
        lines.append(f"{where}top_p: top_p must be in the range [0.0, 1.0].\n")
    if config.get("topK", 0) < 0:
        lines.append(f"{where}top_k: top_k must not be negative.\n")
    if config.get("maxOutputTokens", 1) < 1:
        lines.append(f"{where}max_output_tokens: max_output_tokens must be positive.\n")
    if not 1 <= config.get("candidateCount", 1) <= 8:
        lines.append(f"{where}candidate_count: candidate_count must be in the range [1, 8].\n")
    for name in ("presencePenalty", "frequencyPenalty"):
        if not -2 <= config.get(name, 0) <= 2:
            snake = name.replace("Penalty", "_penalty")
            lines.append(f"{where}{snake}: {snake} must be in the range [-2.0, 2.0].\n")
    if not 0 <= config.get("logprobs", 0) <= 20:
        # Range: the discovery document.
        lines.append(f"{where}logprobs: logprobs must be in the range [0, 20].\n")
    if len(config.get("stopSequences", [])) > 5:
        lines.append(f"{where}stop_sequences: stop_sequences must not be more than 5.\n")
    if config.get("responseMimeType", "text/plain") not in MIME_TYPES:
        # Quoted in a public log of a TTS test, with exactly this list.
        listed = ", ".join(f"`{name}`" for name in MIME_TYPES[:-1])
        lines.append(f"{where}response_mime_type: allowed mimetypes are {listed} and `text/x.enum`.\n")
    if lines:
        raise invalid("".join(lines))
    if config.get("candidateCount", 1) > candidates_max:
        # gemini-native.md, section 4.
        raise invalid("Multiple candidates is not enabled for this model")


def _check_thinking(thinking: dict[str, Any], model: Model) -> None:
    family, level, budget = model.family, thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level == "THINKING_LEVEL_UNSPECIFIED":
        level = None
    if level is not None and budget is not None:
        # Quoted in ten public places.
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level is not None:
        if family.thinking != "level" or (level not in family.levels and family.levels_refused_plainly):
            # Quoted for 2.5 models and, for LOW, for gemma-4-26b-a4b-it.
            raise invalid("Thinking level is not supported for this model.")
        if level not in family.levels:
            # https://github.com/vercel/ai (an example that expects it from gemini-3.7-flash).
            raise invalid(f"Thinking level {level} is not supported for this model. Please retry with other thinking level.")
    if budget is not None:
        if family.thinking == "none" or family.levels_refused_plainly:
            # AFTER the thinking level.
            raise invalid("Thinking budget is not supported for this model.")
        if budget == 0 and not family.budget_zero:
            # https://github.com/vercel/ai/issues/8027
            raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
        if budget not in (-1, 0) and not family.budget_min <= budget <= family.budget_max:
            # https://github.com/RooCodeInc/Roo-Code/issues/4399
            raise invalid(f"The thinking budget ({budget}) is invalid.")


def _check_enabled(config: dict[str, Any], model: Model, enabled: frozenset[str]) -> None:
    if "penalties" not in enabled and (config.get("presencePenalty") or config.get("frequencyPenalty")):
        # gemini-native.md, section 4. Zero is taken.
        raise invalid(f"Penalty is not enabled for models/{model.target or model.name}")
    if "logprobs" not in enabled and (config.get("responseLogprobs") or config.get("logprobs")):
        # gemini-native.md, section 4.
        raise invalid("Logprobs is not enabled for this model")


NOT_YET = {
    "cachedContent": "cached contents",
}
"""Fields of a request that the tables know and the answers do not; with their names for people."""

TOOLS_EMULATED = ("functionDeclarations", "googleSearch", "urlContext", "codeExecution", "googleMaps", "fileSearch")

PARTS_EMULATED = frozenset(
    {"text", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"}
)

NOT_YET_CONFIG = {
    "speechConfig": "speech output",
    "audioTranscriptionConfig": "transcription",
    "translationConfig": "translation",
}


def check_emulated(request: dict[str, Any], model: Model) -> None:
    """Say clearly what the real service would answer and this emulator cannot, until a later issue teaches it."""
    missing = _not_countable(request)
    config = request.get("generationConfig", {})
    missing += [words for name, words in NOT_YET_CONFIG.items() if name in config]
    made = ("text", "image") if model.draws else ("text",)
    missing += [f"responseFormat.{kind}" for kind in config.get("responseFormat", {}) if kind not in made]
    if response_rules.mime_type(config) not in (response_rules.TEXT, response_rules.JSON, response_rules.ENUM):
        missing.append(f"answers of the type {response_rules.mime_type(config)}")
    if model.family_name == "media":
        missing.append(f"answers of {model.name}")
    if missing:
        raise _not_yet(missing)


def check_countable(request: dict[str, Any]) -> None:
    """Refuse to count what this emulator cannot count yet."""
    if missing := _not_countable(request):
        raise _not_yet(missing)


def _not_countable(request: dict[str, Any]) -> list[str]:
    missing = [words for name, words in NOT_YET.items() if request.get(name)]
    missing += sorted({f"the tool {name}" for tool in request.get("tools", []) for name in tool if name not in TOOLS_EMULATED})
    contents = [*request.get("contents", []), request.get("systemInstruction", {})]
    parts = [part for content in contents for part in content.get("parts", [])]
    kinds = {kind for part in parts for kind in PART_DATA.intersection(part) - _looked_up(part)}
    return missing + [f"{kind} parts" for kind in sorted(kinds - PARTS_EMULATED)]


def _looked_up(part: dict[str, Any]) -> set[str]:
    """Say which data of a part were looked at: its media."""
    return {"fileData", "inlineData"} if FILE in part else set()


def _not_yet(missing: list[str]) -> NativeError:
    return errors.not_emulated(", ".join(dict.fromkeys(missing)))
