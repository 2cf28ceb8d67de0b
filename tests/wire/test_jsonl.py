"""Reading JSON Lines."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.wire.jsonl import LineReader, LineTooLarge

FILES = st.binary(max_size=60).map(lambda data: data.replace(b"a", b"\n"))


@given(data=FILES, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_pieces_give_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """As splitting the whole does."""
    ends = sorted(min(cut, len(data)) for cut in cuts)
    pieces = [data[start:stop] for start, stop in zip([0, *ends], [*ends, len(data)], strict=True)]
    reader = LineReader(1000)
    lines = [line for piece in pieces for line in reader.feed(piece)]

    assert [*lines, reader.finish()] == data.split(b"\n")


@given(before=st.lists(st.binary(max_size=10).map(lambda line: line.replace(b"\n", b"")), max_size=5), size=st.integers(1, 7))
def test_a_line_that_is_too_large_is_told_by_its_number(before: list[bytes], size: int) -> None:
    """Before it is held whole, whatever the pieces."""
    data = b"".join(line + b"\n" for line in before) + b"x" * 11
    reader = LineReader(10)
    with pytest.raises(LineTooLarge) as refused:
        deque((reader.feed(data[start : start + size]) for start in range(0, len(data), size)), maxlen=0)

    assert refused.value.number == len(before) + 1


def test_a_long_line_is_not_copied_with_every_piece() -> None:
    """What is held is joined once."""
    reader = LineReader(100_000_000)
    for _ in range(20_000):
        assert reader.feed(b"x" * 1000) == []

    assert len(reader.finish()) == 20_000_000
