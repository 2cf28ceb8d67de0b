"""Google's error bodies, in the words that were recorded or quoted from the real service.

Each function makes one `NativeError`; where the words come from stands in its docstring. "Quoted" means: read in a
public issue or test that says it was captured live; the link is in the docstring.
"""

from dataclasses import dataclass, field
from typing import Any

RPC = "type.googleapis.com/google.rpc."

STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""`error.status` of each HTTP status. Source: google.rpc.Code; gemini-native.md, section 25."""


@dataclass(eq=False)
class NativeError(Exception):
    """An error as the native API tells it."""

    code: int
    message: str
    status: str = ""
    details: list[dict[str, Any]] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Make the JSON object of it."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status or STATUS_WORDS.get(self.code, "UNKNOWN"),
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> NativeError:
    """A plain 400, without details: so does the real service refuse meanings, in contrast to shapes."""
    return NativeError(400, message)


def bad_request(violations: list[tuple[str, str]]) -> NativeError:
    """Shapes that the parser refused. Recorded: one line and one field violation for each; no `field` at the root."""
    listed = [{"field": path, "description": text} if path else {"description": text} for path, text in violations]
    text = "\n".join(description for _, description in violations)
    return NativeError(400, text, details=[{"@type": RPC + "BadRequest", "fieldViolations": listed}])


def invalid_key() -> NativeError:
    """Recorded: 400, not 401, with ErrorInfo and LocalizedMessage."""
    text = "API key not valid. Please pass a valid API key."
    return NativeError(400, text, details=[_key_info("API_KEY_INVALID"), _localized(text)])


def expired_key() -> NativeError:
    """Quoted in many places; the details are those of an invalid key. Source: gemini-native.md, section 25."""
    text = "API key expired. Please renew the API key."
    return NativeError(400, text, details=[_key_info("API_KEY_INVALID"), _localized(text)])


def missing_key() -> NativeError:
    """Source: gemini-native.md, section 25 (403, "Method doesn't allow unregistered callers…")."""
    return NativeError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def leaked_key() -> NativeError:
    """Source: gemini-native.md, section 25 ("leaked key blocked"); quoted in public issues of 2026."""
    return NativeError(403, "Your API key was reported as leaked. Please use another API key.")


def denied_project() -> NativeError:
    """Source: ground-truth.md, section 2, row 10."""
    return NativeError(403, "Your project has been denied access. Please contact support.")


def disabled_service() -> NativeError:
    """Recorded (a fixture of Firebase's test data, `unary-failure-generativelanguage-api-not-enabled`)."""
    url = "https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345678"
    return NativeError(
        403,
        "Generative Language API has not been used in project 12345678 before or it is disabled. Enable it by visiting "
        f"{url} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our "
        "systems and retry.",
        details=[
            {"@type": RPC + "Help", "links": [{"description": "Google developers console API activation", "url": url}]},
            {
                "@type": RPC + "ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com", "consumer": "projects/12345678"},
            },
        ],
    )


def bad_token(reason: str) -> NativeError:
    """A Bearer token that is no OAuth token, or one beside a key (`OVERLOADED_CREDENTIALS`).

    Source: quoted in googleapis/python-genai#2674 and NousResearch/hermes-agent#62259.
    """
    return NativeError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        details=[_key_info(reason)],
    )


def two_keys() -> NativeError:
    """Quoted in Gitlawb/openclaude#713: a key in the header and one in the URL."""
    return NativeError(400, "Multiple authentication credentials received. Please pass only one.")


def unsupported_location() -> NativeError:
    """Recorded (Firebase's test data, `streaming-failure-http-error`), without its DebugInfo."""
    return NativeError(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")


def unknown_model(name: str, version: str, method: str) -> NativeError:
    """Recorded: generateContent with a model that is not there, or not for this method."""
    return NativeError(
        404,
        f"models/{name} is not found for API version {version}, or is not supported for {method}. "
        "Call ModelService.ListModels to see the list of available models and their supported methods.",
    )


def unknown_model_get(name: str, version: str) -> NativeError:
    """Quoted in a public probe of 2026: `GET models/{name}`."""
    return NativeError(404, f"Model is not found: models/{name} for api version {version}")


def retired_model(name: str, successor: str) -> NativeError:
    """Source: gemini-native.md, section 25. With a successor: after its shutdown; without: closed to new keys."""
    if successor:
        return NativeError(
            404, f"This model models/{name} is no longer available. Please update your code to use models/{successor}."
        )
    return NativeError(
        404,
        f"This model models/{name} is no longer available to new users. "
        "Please update your code to use a newer model for the latest features and improvements.",
    )


def needs_oauth() -> NativeError:
    """Google's common words where an API key is not enough, as for `files.register`."""
    return NativeError(
        401,
        "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that "
        "assert a principal. See https://cloud.google.com/docs/authentication",
        details=[_key_info("CREDENTIALS_MISSING")],
    )


def unknown_route() -> NativeError:
    """The JSON form of Google's front end for a path without a method."""
    return NativeError(404, "Method not found.")


def context_overflow(tokens_max: int) -> NativeError:
    """Recorded with gemini-2.5-flash; 2.0 also told the count."""
    return invalid(f"The input token count exceeds the maximum number of tokens allowed ({tokens_max}).")


def not_only_speech() -> NativeError:
    """Quoted in many public programs: a TTS model that took its prompt for a question."""
    return invalid(
        "Model tried to generate text, but it should only be used for TTS. Make sure your instructions are clear to only "
        "generate audio from a given text transcript."
    )


def too_large(bytes_max: int) -> NativeError:
    """Quoted for the former limit of 20 MB: "Request payload size exceeds the limit: 20971520 bytes."."""
    return invalid(f"Request payload size exceeds the limit: {bytes_max} bytes.")


def internal() -> NativeError:
    """Recorded."""
    return NativeError(
        500,
        "An internal error has occurred. Please retry or report in "
        "https://developers.generativeai.google/guide/troubleshooting",
    )


def overloaded() -> NativeError:
    """Recorded, 2025."""
    return NativeError(503, "The model is overloaded. Please try again later.")


def high_demand() -> NativeError:
    """The text of 2026. Source: ground-truth.md, section 1.1."""
    return NativeError(
        503,
        "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.",
    )


def deadline() -> NativeError:
    """Quoted in public issues; the service says so when `X-Server-Timeout` or its own deadline passes."""
    return NativeError(504, "Deadline expired before operation could complete.")


def not_emulated(what: str) -> NativeError:
    """The emulator's own limit: the real service would have taken this request."""
    return NativeError(
        501,
        f"The Pollux emulator does not imitate {what} yet. This is a limit of the emulator, not of the Gemini API.",
    )


def _key_info(reason: str) -> dict[str, Any]:
    return {
        "@type": RPC + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def _localized(text: str) -> dict[str, Any]:
    return {"@type": RPC + "LocalizedMessage", "locale": "en-US", "message": text}
