"""How an answer ends: Gemini's finish reasons, OpenAI's word for each, and what else follows.

One legal choice comes of every ending. What was said is kept, whatever ended it. Where a filter ended an answer of which
nothing was said, the choice is a refusal: `refusal` says why, `content` is null. The same goes for a blocked prompt. After
any other ending without a word `content` is an empty text. The native reason stands in `extra_content.google.finish_reason`
unless OpenAI's word says as much; the native message, ratings and feedback stand beside it.

Source: Gemini API, FinishReason; OpenAI API, chat completion object, finish_reason, refusal.
Loses: the difference between the filters; it survives in `extra_content.google.finish_reason`.
"""

from dataclasses import dataclass

from pollux.wire.openai.chat import FinishReason


@dataclass(frozen=True, slots=True)
class Ending:
    """A native finish reason: `told` is OpenAI's word; `again` says that the call is repeated once when nothing was said."""

    reason: str
    told: FinishReason
    meaning: str
    again: bool = False


ENDINGS: tuple[Ending, ...] = (
    Ending("STOP", "stop", "The model was done, or a stop sequence came.", again=True),
    Ending("MAX_TOKENS", "length", "The limit of tokens was reached, perhaps while the model still thought."),
    Ending("CONTINUATION", "length", "One call's limit was reached; see continuations."),
    Ending("SAFETY", "content_filter", "Unsafe content."),
    Ending("RECITATION", "content_filter", "Too close to a text that exists."),
    Ending("LANGUAGE", "content_filter", "A language that the model does not take."),
    Ending("BLOCKLIST", "content_filter", "A forbidden term."),
    Ending("PROHIBITED_CONTENT", "content_filter", "Content that is never allowed."),
    Ending("SPII", "content_filter", "Sensitive personal data."),
    Ending("IMAGE_SAFETY", "content_filter", "The picture was unsafe."),
    Ending("IMAGE_PROHIBITED_CONTENT", "content_filter", "The picture would be of what is never allowed."),
    Ending("IMAGE_RECITATION", "content_filter", "The picture was too close to one that exists."),
    Ending("ESCALATION", "content_filter", "The answer was handed on for review."),
    Ending("PUP_LIMITED_DISABLED", "content_filter", "The account may not have such answers."),
    Ending("MODEL_ARMOR", "content_filter", "Model Armor stopped it (Vertex AI)."),
    Ending("IMAGE_OTHER", "stop", "No picture came, for another reason."),
    Ending("NO_IMAGE", "stop", "A picture was expected, and none came."),
    Ending("MALFORMED_FUNCTION_CALL", "stop", "The model wrote a call that cannot be read.", again=True),
    Ending("MALFORMED_RESPONSE", "stop", "The model wrote what cannot be read.", again=True),
    Ending("UNEXPECTED_TOOL_CALL", "stop", "The model called a tool that it was not given.", again=True),
    Ending("TOO_MANY_TOOL_CALLS", "stop", "The model called tools again and again."),
    Ending("MISSING_THOUGHT_SIGNATURE", "stop", "A thought signature was missing; the dummy takes its place.", again=True),
    Ending("OTHER", "stop", "An unknown reason.", again=True),
    Ending("FINISH_REASON_UNSPECIFIED", "stop", "No reason was given."),
)
"""All that are known. A reason that is not here is told as `stop`, with its native name beside it."""

PROMPT_BLOCKED = "PROMPT_BLOCKED"
"""Our own reason, where the prompt was blocked and there is no candidate to have one."""

FINISH_REASON: dict[str, FinishReason] = {ending.reason: ending.told for ending in ENDINGS} | {PROMPT_BLOCKED: "content_filter"}

AGAIN = frozenset(ending.reason for ending in ENDINGS if ending.again)
"""Ends which, without any content before them, a second try may mend. CONTRACT, section 4."""
PLAIN = frozenset({"STOP", "MAX_TOKENS", PROMPT_BLOCKED})
"""Ends of which OpenAI's word, or the prompt's feedback, says everything."""
