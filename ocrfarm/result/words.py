"""Line -> its words in order, with the spaces between them."""

from typing import NamedTuple

from ocrfarm.document import Line
from ocrfarm.geometry import Quad


class PlacedWord(NamedTuple):
    """A word of a line.

    Attributes:
        text: The characters.
        quad: Place of the word, in page pixels.
        has_space_after: Whether a space separates it from the next word.
    """

    text: str
    quad: Quad
    has_space_after: bool


def words_of(line: Line) -> list[PlacedWord]:
    """Return the words of a line; if they do not make up its text, split the text at spaces and divide the quad.

    Examples:
        >>> words = words_of(Line("Valve DN80", Quad.from_bounds(0, 0, 200, 30), confidence=0.97))
        >>> [(word.text, word.quad.bounds().x0, word.has_space_after) for word in words]
        [('Valve', 0, True), ('DN80', 120, False)]
    """
    text = line.text.rstrip()
    return [PlacedWord(span.text, span.quad, text[span.end : span.end + 1].isspace()) for span in line.word_spans()]


def merge_unspaced(words: list[PlacedWord]) -> list[PlacedWord]:
    """Join words that no space separates, such as the characters of Han text.

    Examples:
        >>> words = [PlacedWord(char, Quad.from_bounds(x, 0, x + 20, 20), False) for x, char in ((0, "阀"), (20, "门"))]
        >>> [(word.text, word.quad.bounds().x1) for word in merge_unspaced(words)]
        [('阀门', 40)]
    """
    found: list[PlacedWord] = []
    for word in words:
        if found and not found[-1].has_space_after:
            text, quad, _ = found.pop()
            joined = Quad(quad.p0, word.quad.p1, word.quad.p2, quad.p3)
            found.append(PlacedWord(text + word.text, joined, word.has_space_after))
        else:
            found.append(word)
    return found
