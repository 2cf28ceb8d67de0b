"""Native replies: what decoding keeps, and what the second look finds that it dropped."""

import msgspec
import pytest

from pollux.wire.gemini.generate import (
    Base64,
    Content,
    GenerateContentRequest,
    decode_reply,
    encode_request,
    inline_part,
    second_look,
)


def reply_with(part: str) -> bytes:
    """Give a reply with one part."""
    return b'{"candidates":[{"content":{"parts":[%s]}}]}' % part.encode()


@pytest.mark.parametrize(
    ("body", "dropped"),
    [
        (b'{"weather":"mild"}', []),
        (b'{"candidates":[{"mood":1,"content":{"parts":[]}}]}', []),
        (reply_with('{"text":"a","mood":{"x":1}}'), []),
        (b'{"usageMetadata":{"promptTokenCount":1,"dreams":2}}', ["usageMetadata.dreams"]),
        (b'{"candidates":[{"safetyRatings":[{"category":"x","anything":1}]}]}', []),
        (b'{"candidates":[{"tokenCount":3}],"weather":null}', []),
        (reply_with('{"hologram":{"data":"x"}}'), []),
    ],
    ids=["top", "candidate", "part", "usage", "free_object", "known_or_null", "unknown_part_is_kept"],
)
def test_the_second_look_finds_what_decoding_dropped(body: bytes, dropped: list[str]) -> None:
    """Paths of keys that no shape names are listed, and nothing that was kept."""
    assert second_look(body, decode_reply(body)) == dropped


def test_unknown_keys_of_a_reply_a_candidate_and_a_part_are_kept() -> None:
    """By their names: those of a part with its candidate's; what is known is read as ever."""
    body = b'{"weather":1,"candidates":[{"mood":2,"content":{"parts":[{"text":"a","tone":{"x":3}}]},"finishReason":"STOP"}]}'
    reply = decode_reply(body)
    [candidate] = reply.candidates or []

    assert reply.unknown == {"weather": 1}
    assert candidate.unknown == {"mood": 2, "tone": {"x": 3}}
    assert candidate.finish_reason == "STOP"
    assert candidate.content is not None
    assert [part.text for part in candidate.content.parts or ()] == ["a"]


def test_a_part_of_an_unknown_kind_is_kept_as_it_came() -> None:
    """A part without a known data field is kept as plain JSON, its neighbours are not."""
    body = b'{"candidates":[{},{"content":{"parts":[{"text":"a"},{"hologram":[1,{"b":null}],"thought":true}]}}]}'
    _, candidate = decode_reply(body).candidates or []
    parts = (candidate.content and candidate.content.parts) or []

    assert [part.unnamed for part in parts] == [None, {"hologram": [1, {"b": None}], "thought": True}]


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{", b"", b'{"candidates":7}', b'{"candidates":[{"index":"a"}]}'])
def test_what_is_no_reply_is_an_error(body: bytes) -> None:
    """Bytes of another shape raise an error that a caller can catch."""
    with pytest.raises(msgspec.DecodeError):
        decode_reply(body)


def test_absent_fields_are_left_out_of_a_request() -> None:
    """What was not asked for is not sent, not even as null."""
    assert msgspec.json.encode(GenerateContentRequest(contents=[])) == b'{"contents":[]}'


def test_media_of_a_request_are_parts_of_its_body_and_not_copied() -> None:
    """Between the JSON lie the very bytes that were given; what is worth looking into is without them."""
    data = memoryview(b"iVBO")
    parts = [inline_part("image/png", Base64(data)), inline_part("image/jpeg", Base64(b"/9", b"j/"))]
    encoded = encode_request(GenerateContentRequest(contents=[Content(parts=parts)]))

    assert any(part is data for part in encoded.parts)
    assert msgspec.json.decode(encoded.body)["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}},
    ]
    assert msgspec.json.decode(encoded.told)["contents"][0]["parts"][0] == {"inlineData": {"mimeType": "image/png", "data": ""}}
