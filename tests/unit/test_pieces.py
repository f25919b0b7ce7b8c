from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.recognize.pieces import LONGEST, PIECE, SHARED, join_pieces, piece_spans
from ocrfarm.tile import Char

HEIGHT, PITCH = 20, 10
"""Pixels: the height of a line, and from one letter to the next."""


@given(width=st.integers(1, 20_000), height=st.integers(1, 200))
def test_pieces_cover_the_line_and_overlap(width: int, height: int) -> None:
    spans = piece_spans(width, height)
    assert (spans[0][0], spans[-1][1]) == (0, width)
    if len(spans) > 1:
        assert width > LONGEST * height
        assert all(before[1] - after[0] >= SHARED * height - 2 for before, after in pairwise(spans))
        assert all(end - start <= PIECE * height + 2 for start, end in spans)


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
    spans = piece_spans(len(text) * PITCH, HEIGHT)
    shown = [
        seen(text, start, end, damaged=damaged and len(spans) > 1 and start > 0 and end < len(text) * PITCH)
        for start, end in spans
    ]
    joined = join_pieces(spans, shown, height=HEIGHT)
    assert "".join(char.text for char in joined) == text
    assert [char.at for char in joined] == pytest.approx([(index + 0.5) / len(text) for index in range(len(text))])


def test_a_space_that_one_piece_saw_is_kept() -> None:
    spans = [(0, 600), (540, 1140)]
    one = (Char("a", 0.5, 0.9), Char("b", 0.93, 0.9))
    two = (Char(" ", 0.02, 0.5), Char("c", 0.07, 0.9), Char("d", 0.5, 0.9))
    assert "".join(char.text for char in join_pieces(spans, [one, two], height=20)) == "ab cd"
