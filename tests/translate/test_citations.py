"""Citations: byte offsets within a part → characters of the content."""

from hypothesis import given
from hypothesis import strategies as st

from pollux.translate.citations import annotations

pieces = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=5)


@given(pieces, st.data())
def test_a_citation_slices_the_content_to_the_segment_s_text(texts: list[str], data: st.DataObject) -> None:
    """Whatever the scripts and wherever the parts are cut: the characters between the offsets are the segment's text."""
    part = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(texts[part]) - 1))
    end = data.draw(st.integers(start + 1, len(texts[part])))
    segment = {
        "partIndex": part,
        "startIndex": len(texts[part][:start].encode()),
        "endIndex": len(texts[part][:end].encode()),
        "text": texts[part][start:end],
    }
    if start == 0:
        del segment["startIndex"]
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://a.test/x"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    (known,) = annotations(texts, metadata, None)
    (unknown,) = annotations(["".join(texts)], metadata, None)
    place, place_in_one = known["url_citation"], unknown["url_citation"]
    content = "".join(texts)

    assert content[place["start_index"] : place["end_index"]] == texts[part][start:end]
    assert place["start_index"] == len("".join(texts[:part])) + start
    assert content[place_in_one["start_index"] : place_in_one["end_index"]] == texts[part][start:end]
    assert place["title"] == "a.test"


@given(st.text(max_size=6), st.integers(-2, 30), st.integers(-2, 30))
def test_offsets_that_fit_nowhere_give_no_citation(content: str, start: int, end: int) -> None:
    """Offsets outside the content, inside a character or the wrong way round never make a span, and never an error."""
    source = {"startIndex": start, "endIndex": end, "uri": "https://a.test/x"}
    found = annotations([content], None, {"citationSources": [source]})
    encoded = content.encode()

    for one in found:
        place = one["url_citation"]
        assert content[place["start_index"] : place["end_index"]].encode() == encoded[start:end]
    assert len(found) <= (0 <= start < end <= len(encoded))


def test_offsets_within_an_unknown_part_are_not_guessed() -> None:
    """Without the segment's text an offset into a part that is not known says nothing."""
    source = {"partIndex": 3, "startIndex": 0, "endIndex": 2}
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://a.test/x"}}],
        "groundingSupports": [{"segment": source, "groundingChunkIndices": [0]}],
    }

    assert annotations(["one", "two"], metadata, None) == []
