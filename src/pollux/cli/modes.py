"""In words: where answers come from, and whose key is spent. Said by `serve` at its start and by `doctor`."""

from pollux.settings import Settings

GEMINI_URL = "https://generativelanguage.googleapis.com"


def upstream_of(settings: Settings) -> str:
    """Say where answers come from."""
    if settings.upstream == "gemini":
        return f"Gemini API at {settings.upstream_url or GEMINI_URL}"
    if settings.upstream_url:
        return f"emulator at {settings.upstream_url}"
    return "built-in emulator (no key, no network; its answers say so)"


def keys_of(settings: Settings) -> str:
    """Say whose key is spent, and who may call."""
    if settings.local_only:
        return "the server's Gemini key, for programs on this machine only (`pollux key NAME` lets others in)"
    if settings.spends_server_key:
        return f"the server's Gemini key, for callers with a Pollux key ({', '.join(settings.keys)})"
    if settings.keys:
        return f"callers need a Pollux key ({', '.join(settings.keys)})"
    if settings.upstream == "emulator":
        return "any word; the emulator asks for a key and believes it"
    return "callers bring their own Gemini keys; none is stored"


def callers_key(settings: Settings) -> str:
    """Say what a caller puts in the place of the API key."""
    if settings.keys:
        return "YOUR_POLLUX_KEY"
    return "any-text" if settings.local_only or settings.upstream == "emulator" else "YOUR_GEMINI_KEY"
