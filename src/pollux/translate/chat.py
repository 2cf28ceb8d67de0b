"""Chat completions: request → Gemini. The way back is in `chat_answer`."""

import math
import operator
from collections.abc import Iterable, Mapping

from msgspec import Struct

from pollux.errors import InvalidRequest
from pollux.translate import extras, formats, generation_config, messages, parameters, speech, thinking, tools
from pollux.translate.media import Found, Media
from pollux.translate.memory import Trail, Turn, forget_signatures, sign_lost_calls
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.speech import Speech
from pollux.translate.tools import Toolbox
from pollux.wire.gemini.generate import Content, GenerateContentRequest, GenerationConfig, Part
from pollux.wire.openai import chat as wire

STOP_SEQUENCES_MAX = 5
"""The native API takes five stop sequences; OpenAI allows four."""

INT32 = 2**31

SERVICE_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}
"""The native tiers of OpenAI's, which answers priority to fast. Source: OpenAI API, ServiceTier; Gemini API, serviceTier."""

_NOTHING: Mapping[str, Turn] = {}


ANSWERS_MAX = 8
"""The largest `n`, as in Google's layer. CONTRACT, section 3."""


class Plan(Struct, frozen=True):
    """A request on its way: what goes to Gemini, what was lost, and what telling the answer needs.

    `answers` is how many choices were asked for, `candidate_count` how many of them one native call gives: all, or one.
    `may_be_empty`: an answer without a word is one, as of a recording in which nobody speaks.
    """

    native: GenerateContentRequest
    notes: list[Note]
    toolbox: Toolbox
    trail: Trail | None
    form: formats.Form = formats.TEXT
    answers: int = 1
    candidate_count: int = 1
    speech: Speech | None = None
    may_be_empty: bool = False

    @property
    def tokens_max(self) -> float:
        """The most tokens that the caller wants of an answer."""
        config = self.native.generation_config
        return math.inf if config is None or config.max_output_tokens is None else config.max_output_tokens

    @property
    def calls(self) -> int:
        """How many native calls answer it."""
        return self.answers // self.candidate_count


def trail(request: wire.ChatCompletionRequest, profile: Profile) -> Trail | None:
    """Give the keys under which earlier turns of this conversation may be remembered; None where there is nothing to remember:
    in families without signatures, unless a message names an earlier sound."""
    if profile.signatures == "none" and all(message.audio is None for message in request.messages):
        return None
    return Trail(request.messages)


def to_gemini(
    request: wire.ChatCompletionRequest,
    profile: Profile,
    trail: Trail | None = None,
    remembered: Mapping[str, Turn] = _NOTHING,
    found: Iterable[Found] = (),
) -> Plan:
    """Give the native request, and notes on what was lost or approximated. Raises InvalidRequest, naming the parameter.

    `found` are the media that `media.sources` named, as the server found them.

    Source: OpenAI API, Create chat completion; Gemini API, generateContent; `parameters.ROWS`.
    Loses: what the rows say is ignored.
    """
    notes: list[Note] = []
    gemini = extras.extras(request, notes)
    if gemini.config:
        request = generation_config.merged(request, gemini.config, notes)
    parameters.check(request, profile, notes)
    if request.stream_options is not None and request.stream_options.include_obfuscation:
        notes.append(Note("stream_options.include_obfuscation", "ignored", "nothing is added to hide the lengths of texts"))
    box = tools.toolbox(request, gemini, profile, notes)
    form = formats.form(request.response_format, profile, notes, beside_tools=box.tools is not None)
    media = Media(found, profile, notes)
    contents, system = messages.contents(request.messages, profile, notes, trail, remembered, media)
    if form.instruction is not None:
        system = _instructed(system, form.instruction)
    output = speech.output(request, profile, notes)
    spoken = ""
    if profile.speaks == "only":
        contents, spoken = speech.spoken_text(contents, system, notes)
        system = None
    parameters.in_range("n", request.n, 1, ANSWERS_MAX)
    answers = request.n or 1
    candidate_count = _candidate_count(answers, profile, streamed=request.stream is True)
    config = _generation_config(request, gemini, profile, notes)
    config.response_mime_type, config.response_json_schema = form.mime_type, form.json_schema
    config.response_modalities, config.speech_config = output.modalities, output.speech_config
    if candidate_count > 1:
        config.candidate_count = candidate_count
    config.media_resolution = gemini.media_resolution or media.resolution()
    config.image_config = gemini.image_config
    native = GenerateContentRequest(
        contents=contents,
        system_instruction=system,
        tools=box.tools,
        tool_config=box.config,
        safety_settings=gemini.safety_settings,
        generation_config=None if config == _NO_CONFIG else config,
        cached_content=gemini.cached_content,
        service_tier=_service_tier(request.service_tier, gemini.service_tier, notes),
        store=gemini.store,
        labels=gemini.labels,
    )
    if native.cached_content is not None:
        _leave_to_the_cache(native, notes)
    sound = None if output.sound_format is None else Speech(output.sound_format, spoken)
    return Plan(native, notes, box, trail, form, answers, candidate_count, sound)


def _instructed(system: Content | None, instruction: str) -> Content:
    """Say the form of the answer in the system instruction, after what the caller says there."""
    return Content(parts=[*((system.parts or ()) if system is not None else ()), Part(text=instruction)])


def _candidate_count(answers: int, profile: Profile, *, streamed: bool) -> int:
    """Say how many answers one native call gives: all where the family can, else one. A stream gives one.

    Source: Gemini API, GenerationConfig.candidateCount; Google's own layer streams a single answer too.
    """
    return answers if answers <= profile.candidates_max and not streamed else 1


def _leave_to_the_cache(native: GenerateContentRequest, notes: list[Note]) -> None:
    """Do not send beside a cache what only the cache may hold; the service refuses it.

    Source: Gemini API, cachedContents: a request with a cache has no systemInstruction, tools or toolConfig.
    Loses: the request's own system message and tools, where they differ from the cache's.
    """
    why = "cached_content is used, and the cache has its own: the native API takes none beside it"
    if native.system_instruction is not None:
        notes.append(Note("messages", "ignored", f"the system message: {why}"))
    if native.tools is not None:
        notes.append(Note("tools", "ignored", why))
    if native.tool_config is not None:
        notes.append(Note("tool_choice", "ignored", why))
    native.system_instruction = native.tools = native.tool_config = None


def with_dummies(native: GenerateContentRequest) -> bool:
    """Take the signatures out of a request that was refused for one, and put the documented dummy where one must be.

    Says whether that changed anything. The request is changed in place: it is sent nowhere else.
    """
    forgotten = forget_signatures(native.contents)
    return sign_lost_calls(native.contents) > 0 or forgotten > 0


_NO_CONFIG = GenerationConfig()
_configured = operator.attrgetter(
    *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed"),
    *("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"),
)
_UNCONFIGURED = _configured(wire.ChatCompletionRequest("", []))


def _generation_config(
    request: wire.ChatCompletionRequest, gemini: extras.Extras, profile: Profile, notes: list[Note]
) -> GenerationConfig:
    thought = thinking.thinking_config(request.reasoning_effort, gemini.thinking_config, profile, notes)
    if _configured(request) == _UNCONFIGURED:  # as most requests
        return GenerationConfig(thinking_config=thought)
    parameters.in_range("temperature", request.temperature, 0, 2)
    parameters.in_range("top_p", request.top_p, 0, 1)
    parameters.in_range("top_k", request.top_k, 1, INT32 - 1)
    parameters.in_range("presence_penalty", request.presence_penalty, -2, 2)
    parameters.in_range("frequency_penalty", request.frequency_penalty, -2, 2)
    parameters.in_range("top_logprobs", request.top_logprobs, 0, 20)
    if request.top_logprobs and not request.logprobs:
        raise InvalidRequest("top_logprobs is given without logprobs; set logprobs to true.", param="top_logprobs")
    told = request.logprobs is True and profile.log_probabilities
    parameters.in_range("max_tokens", request.max_tokens, 1, INT32 - 1)
    parameters.in_range("max_completion_tokens", request.max_completion_tokens, 1, INT32 - 1)
    return GenerationConfig(
        temperature=request.temperature if profile.samples else None,
        top_p=request.top_p if profile.samples else None,
        top_k=request.top_k if profile.samples else None,
        max_output_tokens=request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens,
        stop_sequences=_stop_sequences(request.stop),
        seed=_seed(request.seed, notes),
        presence_penalty=request.presence_penalty if profile.penalties else None,
        frequency_penalty=request.frequency_penalty if profile.penalties else None,
        response_logprobs=True if told else None,
        logprobs=request.top_logprobs or None if told else None,
        thinking_config=thought,
    )


def _stop_sequences(stop: str | list[str] | None) -> list[str] | None:
    if stop is None or stop == []:
        return None
    sequences = [stop] if isinstance(stop, str) else stop
    if len(sequences) > STOP_SEQUENCES_MAX:
        raise InvalidRequest(f"stop has {len(sequences)} sequences; at most {STOP_SEQUENCES_MAX} are taken.", param="stop")
    if "" in sequences:
        raise InvalidRequest("stop holds an empty sequence; leave it out.", param="stop")
    return sequences


def _service_tier(tier: str | None, gemini: tuple[str, str] | None, notes: list[Note]) -> str | None:
    """Say OpenAI's tier, or Gemini's own, in the native word.

    Source: OpenAI API, service_tier; Gemini API, serviceTier. OpenAI's default is Gemini's standard.
    Loses: scale, which the native API does not have.
    """
    if gemini is not None:
        native, path = gemini
        if native not in SERVICE_TIERS.values():
            raise InvalidRequest(f"{path} must be standard, flex or priority; it is {native[:40]!r}.", param=path)
        if tier is not None and SERVICE_TIERS.get(tier, native) != native:
            raise InvalidRequest(f"service_tier and {path} say different things; give one of them.", param="service_tier")
        return native
    if tier is None or tier == "auto":
        return None
    if tier == "scale":
        notes.append(Note("service_tier", "ignored", "the native API has no tier scale"))
        return None
    if tier not in SERVICE_TIERS:
        raise InvalidRequest(
            f"service_tier must be auto, scale or one of {', '.join(SERVICE_TIERS)}; it is {tier[:40]!r}.", param="service_tier"
        )
    return SERVICE_TIERS[tier]


def _seed(seed: int | None, notes: list[Note]) -> int | None:
    """Fold OpenAI's 64-bit seed into Gemini's 32 bits; equal seeds stay equal."""
    if seed is None or -INT32 <= seed < INT32:
        return seed
    parameters.in_range("seed", seed, -(2**63), 2**63 - 1)
    notes.append(Note("seed", "approximated", "the native API takes 32 bits"))
    return seed % INT32
