"""Line -> its words in order, and where spaces stand between them."""

import re
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
    text = line.text.strip()
    if "".join(word.text for word in line.words) != "".join(text.split()):
        return _cut(line)
    spaces = [text[i + 1 : i + 2].isspace() for i, char in enumerate(text) if not char.isspace()]
    found, end = [], 0
    for word in line.words:
        end += len(word.text)
        if word.text:
            found.append(Spelt(word.text, word.quad, spaces[end - 1]))
    return found


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


def _cut(line: Line) -> list[Spelt]:
    runs = list(re.finditer(r"\S+", line.text))
    length = len(line.text)
    places = [line.quad.part(run.start() / length, run.end() / length) for run in runs]
    return [Spelt(run.group(), place, run is not runs[-1]) for run, place in zip(runs, places, strict=True)]
