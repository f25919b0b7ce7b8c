from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.recognize.long_lines import (
    CHUNK_OVERLAP,
    MAX_CHUNK_ASPECT,
    MAX_UNSPLIT_ASPECT,
    merge_chunks,
    split_into_chunks,
)
from ocrfarm.tile import Char

HEIGHT, PITCH = 20, 10
"""Pixels: the height of a line, and from one letter to the next."""


@given(width=st.integers(1, 20_000), height=st.integers(1, 200))
def test_pieces_cover_the_line_and_overlap(width: int, height: int) -> None:
    spans = split_into_chunks(width, height)
    assert (spans[0][0], spans[-1][1]) == (0, width)
    if len(spans) > 1:
        assert width > MAX_UNSPLIT_ASPECT * height
        assert all(before[1] - after[0] >= CHUNK_OVERLAP * height - 2 for before, after in pairwise(spans))
        assert all(end - start <= MAX_CHUNK_ASPECT * height + 2 for start, end in spans)


def seen(text: str, start: int, end: int, *, damaged: bool) -> tuple[Char, ...]:
    """Give the letters whose middle a piece shows; those that it cuts may be read as another one."""
    chars = []
    for index, letter in enumerate(text):
        middle = (index + 0.5) * PITCH
        if start <= middle < end:
            cut = min(middle - start, end - middle) < PITCH / 2
            chars.append(Char("?" if damaged and cut else letter, (middle - start) / (end - start), 0.9))
    return tuple(chars)


@given(
    words=st.lists(st.text("ab01.", min_size=1, max_size=9), min_size=10, max_size=200),
    damaged=st.booleans(),
)
def test_no_letter_is_lost_or_doubled(words: list[str], damaged: bool) -> None:
    text = " ".join(words)
    spans = split_into_chunks(len(text) * PITCH, HEIGHT)
    shown = [
        seen(text, start, end, damaged=damaged and len(spans) > 1 and start > 0 and end < len(text) * PITCH)
        for start, end in spans
    ]
    joined = merge_chunks(spans, shown, height=HEIGHT)
    assert "".join(char.text for char in joined) == text
    assert [char.position for char in joined] == pytest.approx(
        [(index + 0.5) / len(text) for index in range(len(text))]
    )


def test_a_space_that_one_piece_saw_is_kept() -> None:
    spans = [(0, 600), (540, 1140)]
    one = (Char("a", 0.5, 0.9), Char("b", 0.93, 0.9))
    two = (Char(" ", 0.02, 0.5), Char("c", 0.07, 0.9), Char("d", 0.5, 0.9))
    assert "".join(char.text for char in merge_chunks(spans, [one, two], height=20)) == "ab cd"
