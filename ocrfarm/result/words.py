"""Line -> its words in order, and where spaces stand between them."""

from typing import NamedTuple

from ocrfarm.document import Line
from ocrfarm.geometry import Quad


class Spelt(NamedTuple):
    """A word, its place, and whether a space stands between it and the next word of the line."""

    text: str
    quad: Quad
    spaced: bool


def spelt(line: Line) -> list[Spelt]:
    """Give the line's words; where it has none that make up its text, cut it at spaces, by the share of characters."""
    text = line.text.rstrip()
    return [Spelt(span.text, span.quad, text[span.end : span.end + 1].isspace()) for span in line.spans()]


def runs(words: list[Spelt]) -> list[Spelt]:
    """Join words between which no space stands: the characters of a Han text, for one."""
    found: list[Spelt] = []
    for word in words:
        if found and not found[-1].spaced:
            text, quad, _ = found.pop()
            joined = Quad(quad.p0, word.quad.p1, word.quad.p2, quad.p3)
            found.append(Spelt(text + word.text, joined, word.spaced))
        else:
            found.append(word)
    return found
