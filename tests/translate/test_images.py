"""Laws of the sizes of pictures, and of what is built for an image request."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.errors import ApiError, InvalidRequest
from pollux.translate import images
from pollux.translate.image_sizes import pixels, quotient, sized, written
from pollux.translate.notes import Note
from pollux.translate.profiles import NEWEST_PAINTER, PAINTERS, Painter
from pollux.wire.openai.images import CreateImageRequest

ALL = [painter for _, painter in PAINTERS] + [NEWEST_PAINTER]
painters = st.sampled_from(ALL)
sides = st.integers(1, 16_384)


@given(painters, sides, sides)
def test_the_nearest_ratio_is_the_nearest(painter: Painter, width: int, height: int) -> None:
    """No other ratio of the model is nearer; the size is one of its own, and what is not exact is noted."""
    notes: list[Note] = []
    ratio, name = sized(f"{width}x{height}", painter, notes)

    def distance(each: str) -> float:
        return abs(math.log(width / height / quotient(each)))

    exact = pixels(ratio, name or "1K") == (width, height)
    assert exact or distance(ratio) == min(map(distance, painter.ratios))
    assert name in painter.sizes if painter.sizes else name is None
    assert [note.fate for note in notes] == ([] if exact else ["approximated"])


@pytest.mark.parametrize("painter", ALL, ids=lambda painter: "-".join((str(len(painter.ratios)), *painter.sizes)))
def test_a_size_that_the_model_makes_is_that_one(painter: Painter) -> None:
    """Without a note."""
    notes: list[Note] = []
    for ratio in painter.ratios:
        for name in painter.sizes:
            assert sized(written(pixels(ratio, name)), painter, notes) == (ratio, name)

    assert notes == []


@given(st.text(max_size=12))
def test_other_texts_are_no_sizes(text: str) -> None:
    """They are refused, whatever they are."""
    width, _, height = text.partition("x")
    if width.isascii() and height.isascii() and width.isdigit() and height.isdigit():
        return
    with pytest.raises(InvalidRequest):
        sized(text, NEWEST_PAINTER, [])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "image_config": st.fixed_dictionaries({}, optional={"image_size": PLAIN, "aspectRatio": PLAIN, "x": PLAIN}) | PLAIN,
        "candidateCount": PLAIN,
        "response_modalities": PLAIN,
        "seed": PLAIN,
        "responseMimeType": PLAIN,
    },
)
NAMES = ["aspect_ratio", "aspectRatio", "generation_config", "safety_settings", "tools", "image_config", "candidate_count"]


@given(
    painters,
    st.dictionaries(st.sampled_from(NAMES), PLAIN | CONFIGS, max_size=3),
    st.sampled_from(["extra_body", "google", "bare"]),
)
def test_whatever_stands_in_geminis_fields_is_taken_or_refused_by_name(
    painter: Painter, fields: dict[str, Any], place: str
) -> None:
    """Never a crash, and the request is not changed."""
    body: dict[str, Any] = {"prompt": "A kite", "model": "m"}
    body |= fields if place == "bare" else {place: fields}
    request = msgspec.json.decode(msgspec.json.encode(body), type=CreateImageRequest)
    before = msgspec.json.encode(request)
    place_of_error: str | None = "none"
    try:
        msgspec.json.encode(images.to_gemini(request, [images.prompt_part(request.prompt)], painter).native)
    except ApiError as error:
        place_of_error = error.param

    assert place_of_error
    assert msgspec.json.encode(request) == before


@given(st.integers(0, 2**31 - 1), st.integers(2, 8))
def test_with_a_seed_each_call_has_its_own(seed: int, calls: int) -> None:
    """All are seeds of the native API."""
    request = CreateImageRequest(prompt="A kite", n=calls, generation_config={"seed": seed})
    natives = images.to_gemini(request, [images.prompt_part("A kite")], NEWEST_PAINTER).natives()
    seeds = {native.generation_config.seed for native in natives if native.generation_config is not None}

    assert len(seeds) == calls
    assert all(0 <= each < 2**31 for each in seeds if each is not None)
