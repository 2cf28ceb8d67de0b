"""The plain methods: the list of models, one model, the count of a prompt."""

import base64
import binascii
from typing import Any

from pollux.emulator import errors, refusals, routes
from pollux.emulator.errors import invalid
from pollux.emulator.models import RETIRED, Model, known, listed
from pollux.emulator.routes import Route
from pollux.emulator.tokens import cached_usage, count_prompt, details, modalities

PAGE_SIZE, PAGE_SIZE_MAX = 50, 1000
"""Models on a page by default (recorded) and at most. Source: gemini-native.md, section 3."""

LISTED_AS = {
    "countTokens": "countTokens",
    "embedContent": "embedContent",
    "batchEmbedContents": "embedContent",
    "predictLongRunning": "predictLongRunning",
    "predict": "predict",
}
"""The name under which the list of models says that a model has a method; that of all others is generateContent."""


def list_models(version: str, query: dict[str, str]) -> dict[str, Any]:
    """List a page of models."""
    size = routes.page_size(query, PAGE_SIZE, PAGE_SIZE_MAX)
    token = query.get("pageToken", query.get("page_token", ""))
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError):
        raise invalid("Page token is invalid.") from None
    models = listed(version)
    page: dict[str, Any] = {"models": [model.resource() for model in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return page


def get_model(name: str, version: str) -> dict[str, Any]:
    """Get one model."""
    model = known(name, version)
    if model is None:
        raise errors.unknown_model_get(name, version)
    return model.resource()


def model_for(found: Route) -> Model:
    """Find the model of a request, if it is there and has this method."""
    model = known(found.model, found.version)
    if model is None and found.model in RETIRED:
        raise errors.retired_model(found.model, RETIRED[found.model])
    needed = LISTED_AS.get(found.method, "generateContent")
    if model is None or needed not in model.methods:
        raise errors.unknown_model(found.model, found.version, found.method)
    return model


def count_tokens(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Count a prompt, in either form of the body; the same number as `promptTokenCount`."""
    inner = request.get("generateContentRequest")
    if inner is not None and request.get("contents"):
        raise invalid("* CountTokensRequest.contents: contents and generate_content_request are exclusive\n")
    if inner is not None and not inner.get("model"):
        raise invalid("* CountTokensRequest.generate_content_request.model: model is not specified\n")
    counted = request if inner is None else inner
    refusals.check_contents(
        counted.get("contents", []), "CountTokensRequest" + ("" if inner is None else ".generate_content_request")
    )
    refusals.check_countable(counted)
    tokens = count_prompt(counted)
    if tokens > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)
    cached, cached_details = cached_usage(counted)
    return {"totalTokens": tokens, **cached, "promptTokensDetails": details(modalities(counted)), **cached_details}
