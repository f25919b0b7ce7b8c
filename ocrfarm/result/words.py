"""Line -> its words in order, and where spaces stand between them."""

from typing import NamedTuple

from ocrfarm.document import Line
from ocrfarm.geometry import Quad


class PlacedWord(NamedTuple):
    """A word, its place, and whether a space stands between it and the next word of the line."""

    text: str
    quad: Quad
    has_space_after: bool


def words_of(line: Line) -> list[PlacedWord]:
    """Give the line's words; where it has none that make up its text, cut it at spaces, by the share of characters."""
    text = line.text.rstrip()
    return [PlacedWord(span.text, span.quad, text[span.end : span.end + 1].isspace()) for span in line.word_spans()]


def merge_unspaced(words: list[PlacedWord]) -> list[PlacedWord]:
    """Join words between which no space stands: the characters of a Han text, for one."""
    found: list[PlacedWord] = []
    for word in words:
        if found and not found[-1].has_space_after:
            text, quad, _ = found.pop()
            joined = Quad(quad.p0, word.quad.p1, word.quad.p2, quad.p3)
            found.append(PlacedWord(text + word.text, joined, word.has_space_after))
        else:
            found.append(word)
    return found
