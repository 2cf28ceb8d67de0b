"""Images: request → native requests of an image model, one for each picture that is asked for.

The table says the fate of every parameter. `extra_body.google.x`, `extra_body.x`, `google.x` and bare `x` are the same thing.
"""

from typing import Any

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import extras
from pollux.translate.image_sizes import RATIO, SCALE, sized
from pollux.translate.notes import Note
from pollux.translate.parameters import Row, ignored_value, in_range
from pollux.translate.profiles import Painter, profile
from pollux.translate.safety import safety_settings
from pollux.translate.speech import DRAWING
from pollux.translate.tools import GOOGLE_TOOLS
from pollux.wire.gemini.generate import Content, GenerateContentRequest, GenerationConfig, Part, SafetySetting
from pollux.wire.openai import images as wire
from pollux.wire.openai.chat import NULL

PICTURES_MAX = 8
"""Most pictures of one request, each a native call. CONTRACT, section 3; OpenAI's own limit is 10."""

SEEDS = 2**31
"""Seeds of the native API are below this."""

FORMATS = ("png", "jpeg", "webp")

QUALITY: dict[str, str | None] = {
    "auto": None, "low": "512", "medium": None, "standard": None, "high": "2K", "hd": "2K", "xhigh": "4K", "max": "4K",
}  # fmt: skip
"""The image size of a quality, where no size is asked for: Gemini's only knob that costs more and gives more."""

NO_COUNTERPART = "The native API has no counterpart."

ROWS: tuple[Row, ...] = (
    Row("prompt", "mapped", to="contents"),
    Row("model", "mapped", to="the path, models/{model}", why="Where none is given, the setting `image_model`."),
    Row("image", "mapped", to="contents", why="Of edits and variations; one, or a list."),
    Row("images", "mapped", to="contents", why="Of edits as JSON."),
    Row("mask", "mapped", to="contents, and the answer", why="Told to the model; outside of it the original's pixels stay."),
    Row("n", "mapped", to="so many native calls", why=f"At most {PICTURES_MAX}; they fail as one."),
    Row(
        "size",
        "mapped",
        to="generationConfig.imageConfig",
        why="The nearest aspect ratio and image size; see the rule. auto sends nothing.",
    ),
    Row("quality", "mapped", to="imageConfig.imageSize", why="Approximated, and only where no size is asked for."),
    Row("response_format", "mapped", to="the answer", why="b64_json where none is given; url is a link to this server."),
    Row("output_format", "mapped", to="the answer", why="Where none is given, as the model made it: JPEG or PNG."),
    Row("output_compression", "mapped", to="the answer", why="Quality of JPEG and WebP; of PNG it is ignored."),
    Row("background", "ignored", why="The models draw no transparency.", neutral=("auto", "opaque")),
    Row("moderation", "ignored", why="Give extra_body.google.safety_settings.", neutral=("auto",)),
    Row("style", "ignored", why="No words are added to the prompt unasked."),
    Row("stream", "mapped", to="the answer", why="One event for each whole picture, as they come."),
    Row("partial_images", "ignored", why="The models give no partial images.", neutral=(0,)),
    Row("input_fidelity", "ignored", why="The models keep what they were given by themselves."),
    Row("complexity", "ignored", why=NO_COUNTERPART),
    Row("frame_count", "ignored", why="The models draw no animations."),
    Row("frame_duration_ms", "ignored", why="The models draw no animations."),
    Row("svg", "ignored", why="The models draw no SVG."),
    Row("user", "ignored", why=NO_COUNTERPART),
    Row("safety_identifier", "ignored", why=NO_COUNTERPART),
    Row("extra_body", "mapped", to="the fields of extra_body.google, below", why="Unknown fields are ignored."),
    Row("google", "mapped", to="as extra_body.google", why="Where clients put it by mistake."),
)
"""Every parameter of the three endpoints. Source: OpenAI API, Create image, Create image edit, Create image variation."""

GOOGLE_ROWS: tuple[Row, ...] = (
    Row("aspect_ratio", "mapped", to="generationConfig.imageConfig.aspectRatio", why="Wins over size."),
    Row(
        "generation_config",
        "mapped",
        to="generationConfig",
        why="candidate_count is n; response_modalities must hold IMAGE; formats of text and speech are refused.",
    ),
    Row("safety_settings", "mapped", to="safetySettings"),
    Row("tools", "mapped", to="tools", why="Google's own, as google_search, where the model takes them."),
)
"""The fields of `extra_body.google`. Source: OpenAI compatibility guide, "extra_body"."""

BARE = ("aspect_ratio", "generation_config", "safety_settings", "tools", "aspectRatio", "generationConfig", "safetySettings")
"""Fields of ours that may stand at the top level as well."""

REFUSED = ("response_mime_type", "response_schema", "response_json_schema", "_response_json_schema", "speech_config")
"""Fields of the generation config without which the answer would be another."""


class Output(Struct, frozen=True):
    """How a picture is told: `format` None is as the model made it; `link` is a URL in place of base64."""

    format: str | None
    quality: int | None
    link: bool


class Plan(Struct, frozen=True):
    """A request on its way: the native request, how often it is sent, and the seed of the first, if there is one."""

    native: GenerateContentRequest
    calls: int
    seed: int | None
    output: Output
    quality: str
    notes: list[Note]

    def natives(self) -> list[GenerateContentRequest]:
        """Give the native requests; with a seed each has its own, or all pictures would be one."""
        if self.seed is None or self.calls == 1:
            return [self.native] * self.calls
        config = self.native.generation_config or GenerationConfig()
        seeded = [msgspec.structs.replace(config, seed=(self.seed + i) % SEEDS) for i in range(self.calls)]
        return [msgspec.structs.replace(self.native, generation_config=each) for each in seeded]


def to_gemini(request: wire.Asked, parts: list[Part], painter: Painter) -> Plan:
    """Give the native requests for these parts. Raises InvalidRequest or Unsupported, naming the place.

    Source: OpenAI API, Create image; Gemini API, Image generation.
    Loses: what the rows ignore; the pixels of a size that the model does not make.
    """
    notes: list[Note] = []
    _note_ignored(request, notes)
    google = _Google(request, notes)
    calls = _calls(request, google)
    config = google.config
    config.image_config = _image_config(request, google, painter, notes)
    config.response_modalities = _modalities(google, painter)
    native = GenerateContentRequest(
        contents=[Content(role="user", parts=parts)],
        tools=google.tools,
        safety_settings=google.safety_settings,
        generation_config=config,
    )
    is_used = any(note.param == "quality" and note.fate == "approximated" for note in notes)
    quality = request.quality if request.quality in ("low", "medium", "high") and is_used else "auto"
    return Plan(native, calls, config.seed, _output(request, notes), quality, notes)


def check_draws(model: str) -> None:
    """Refuse a model of which it is known that it draws no pictures. Raises Unsupported."""
    if not profile(model).draws:
        raise Unsupported(f"{model} draws no pictures; ask {DRAWING}.", param="model", code="unsupported_value")


def prompt_part(prompt: str) -> Part:
    """Say the prompt. Raises InvalidRequest when it is empty."""
    if not prompt.strip():
        raise InvalidRequest("prompt is empty; say what the picture shows.", param="prompt")
    return Part(text=prompt)


class _Google:
    """Gemini's own fields, each with its place, read."""

    def __init__(self, request: wire.Asked, notes: list[Note]) -> None:
        self.config = GenerationConfig()
        self.places: dict[str, str] = {}
        self.ratio: tuple[str, str] | None = None
        self.safety_settings: list[SafetySetting] | None = None
        self.tools: list[dict[str, Any]] | None = None
        bare = {extras.snake(name): (value, name) for name in BARE if (value := getattr(request, name)) is not None}
        for name, (value, path) in (bare | extras.fields(request.extra_body, request.google)).items():
            match name:
                case "aspect_ratio":
                    self.ratio = (_text(value, path), path)
                case "generation_config":
                    self._read_config(value, path, notes)
                case "safety_settings":
                    self.safety_settings = safety_settings(value, path, notes)
                case "tools":
                    self.tools = _tools(value, path)
                case _:
                    notes.append(Note(path, "ignored", "there is no such field for images"))

    def _read_config(self, value: Any, path: str, notes: list[Note]) -> None:
        known: dict[str, Any] = {}
        for name, (inner, place) in extras.inside(value, path).items():
            if name in REFUSED:
                raise Unsupported(f"{place} is not for pictures.", param=place)
            if name in GenerationConfig.__struct_fields__:
                known[name] = inner
                self.places[name] = place
            else:
                notes.append(Note(place, "ignored", "there is no such field for images"))
        self.config = extras.converted(known, GenerationConfig, path)


def _note_ignored(request: wire.Asked, notes: list[Note]) -> None:
    for row in ROWS:
        if row.fate != "ignored":
            continue
        value = getattr(request, row.name)
        if value is None or value is NULL:
            continue
        value = ignored_value(value, row.name)
        if value is not None and value not in row.neutral:
            notes.append(Note(row.name, "ignored", row.why))


def _calls(request: wire.Asked, google: _Google) -> int:
    candidates = google.config.candidate_count
    google.config.candidate_count = None  # a call gives one picture
    if candidates is not None and request.n is not None and candidates != request.n:
        raise InvalidRequest(f"n and {google.places['candidate_count']} say different things; give one of them.", param="n")
    place = "n" if candidates is None else google.places["candidate_count"]
    calls = request.n if candidates is None else candidates
    in_range(place, calls, 1, PICTURES_MAX)
    return 1 if calls is None else calls


def _image_config(request: wire.Asked, google: _Google, painter: Painter, notes: list[Note]) -> dict[str, Any] | None:
    """Say ratio and size: Gemini's own fields first, then `size`, then `quality`."""
    config = dict(google.config.image_config or {})
    place = google.places.get("image_config", "")
    if google.ratio is not None:
        ratio, path = google.ratio
        if config.get("aspectRatio", ratio) != ratio:
            raise InvalidRequest(f"{path} and {place}.aspect_ratio say different things; give one of them.", param=path)
        config["aspectRatio"] = ratio
    else:
        path = f"{place}.aspect_ratio"
    if "aspectRatio" in config:
        _check_ratio(config["aspectRatio"], path, painter)
    if "imageSize" in config:
        config["imageSize"] = _checked_size(config["imageSize"], f"{place}.image_size", painter)
    chosen = "imageSize" in config
    if request.size is not None and request.size != "auto":
        own: list[Note] = []
        ratio, name = sized(request.size, painter, own)
        if config.get("aspectRatio", ratio) != ratio:
            own = [Note("size", "approximated", f"{path} says another aspect ratio")]
        config.setdefault("aspectRatio", ratio)
        if name is not None:
            config.setdefault("imageSize", name)
        notes += own
        chosen = True
    _use_quality(request.quality, config, painter, notes, chosen=chosen)
    return config or None


def _use_quality(quality: str | None, config: dict[str, Any], painter: Painter, notes: list[Note], *, chosen: bool) -> None:
    if quality is None:
        return
    if quality not in QUALITY:
        raise InvalidRequest(f"quality must be one of {', '.join(QUALITY)}; it is {quality[:40]!r}.", param="quality")
    if quality == "auto":
        return
    if chosen or not painter.sizes:
        why = "the size says it already" if chosen else "the model makes one size"
        notes.append(Note("quality", "ignored", why))
        return
    wanted = QUALITY[quality]
    if wanted is not None:
        config["imageSize"] = min(painter.sizes, key=lambda each: abs(SCALE[each] - SCALE[wanted]))
    notes.append(Note("quality", "approximated", f"the image size is {config.get('imageSize', '1K')}"))


def _check_ratio(ratio: Any, path: str, painter: Painter) -> None:
    known = ratio in painter.ratios if painter.known else isinstance(ratio, str) and RATIO.fullmatch(ratio)
    if not known:
        raise InvalidRequest(f"{path} must be one of {', '.join(painter.ratios)}.", param=path)


def _checked_size(name: Any, path: str, painter: Painter) -> str:
    named = name.upper() if isinstance(name, str) else ""
    if named not in (painter.sizes if painter.known else SCALE):
        sizes = ", ".join(painter.sizes) or "left out: the model makes one size"
        raise InvalidRequest(f"{path} must be {'one of ' if painter.sizes else ''}{sizes}.", param=path)
    return named


def _modalities(google: _Google, painter: Painter) -> list[str]:
    asked = google.config.response_modalities
    if asked is None:
        return ["TEXT", "IMAGE"] if painter.needs_words else ["IMAGE"]
    asked = [each.upper() for each in asked]
    if "IMAGE" not in asked:
        path = google.places["response_modalities"]
        raise InvalidRequest(f"{path} must hold IMAGE: pictures are the answer.", param=path)
    return asked


def _output(request: wire.Asked, notes: list[Note]) -> Output:
    made = request.output_format
    if made in ("gif", "svg"):
        raise Unsupported(f"output_format {made} is not made; take {', '.join(FORMATS)}.", param="output_format")
    if made is not None and made not in FORMATS:
        raise InvalidRequest(f"output_format must be one of {', '.join(FORMATS)}; it is {made[:40]!r}.", param="output_format")
    in_range("output_compression", request.output_compression, 0, 100)
    quality = request.output_compression
    if quality is not None and made not in ("jpeg", "webp"):
        notes.append(Note("output_compression", "ignored", "it belongs to output_format jpeg and webp"))
        quality = None
    if request.response_format not in (None, "b64_json", "url"):
        raise InvalidRequest(
            f"response_format must be b64_json or url; it is {request.response_format[:40]!r}.", param="response_format"
        )
    link = request.response_format == "url"
    if link and request.stream:
        notes.append(Note("response_format", "ignored", "events hold pictures as base64"))
    return Output(made, quality, link and not request.stream)


def _tools(value: Any, path: str) -> list[dict[str, Any]]:
    """Read Google's own tools: an object with one key each, its kind; or a `type`."""
    native: list[dict[str, Any]] = []
    for i, entry in enumerate(value if isinstance(value, list) else [value]):
        place = f"{path}[{i}]" if isinstance(value, list) else path
        if not isinstance(entry, dict):
            raise InvalidRequest(f'{place} must be an object, as in {{"google_search": {{}}}}.', param=place)
        kind = entry.get("type")
        if isinstance(kind, str):
            entry = {GOOGLE_TOOLS.get(kind, kind): {key: inner for key, inner in entry.items() if key != "type"}}  # noqa: PLW2901 - the same, in Google's form
        for key, inner in entry.items():
            if extras.camel(key) in ("function", "functionDeclarations"):
                raise Unsupported(f"{place}: image models call no functions.", param=place)
            if not isinstance(inner or {}, dict):
                raise InvalidRequest(f"{place}.{key} must be an object.", param=f"{place}.{key}", code="invalid_type")
            native.append({extras.camel(key): extras.camel_keys(inner or {})})
    return native


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{path} must be a text.", param=path, code="invalid_type")
    return value
