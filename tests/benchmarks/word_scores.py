"""How many of the true words were found, at their place: precision, recall, F1 and duplicates."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocrfarm.geometry import Quad

_IGNORED_CHARACTERS = re.compile(r"[^0-9A-Z\u4e00-\u9fff]")
"""A word is its upper-case letters, digits and Han characters."""


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    at: tuple[float, float]
    height: float

    def near(self, other: "_Word") -> float | None:
        """Give the distance in pixels where both can be the same word; detectors group words in different ways."""
        distance = math.dist(self.at, other.at)
        reach = 1.5 * max(self.height, other.height) + len(self.text) * self.height
        return distance if distance <= reach else None


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of words; `duplicates` are found once more at a place that is taken."""

    truth: int
    found: int
    hits: int
    duplicates: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / max(self.truth + self.found, 1)


def score_words(found: Iterable[tuple[str, Quad]], truth: Iterable[tuple[str, Quad]]) -> Score:
    """Match found lines (text and quad) with true ones word by word, each word once, nearest first."""
    words, true = list(_words(found)), list(_words(truth))
    left: dict[str, list[_Word]] = defaultdict(list)
    for word in words:
        left[word.text].append(word)
    hits = 0
    for word in true:
        near = [(reach, index) for index, each in enumerate(left[word.text]) if (reach := word.near(each)) is not None]
        if near:
            left[word.text].pop(min(near)[1])
            hits += 1
    places: dict[str, list[_Word]] = defaultdict(list)
    for word in true:
        places[word.text].append(word)
    spare = [word for each in left.values() for word in each]
    twice = sum(any(math.dist(word.at, place.at) <= place.height for place in places[word.text]) for word in spare)
    return Score(len(true), len(words), hits, twice)


def _words(lines: Iterable[tuple[str, Quad]]) -> Iterator[_Word]:
    for text, quad in lines:
        for match in re.finditer(r"\S+", text):
            if kept := _IGNORED_CHARACTERS.sub("", match.group().upper()):
                middle = (match.start() + match.end()) / 2 / len(text)
                (x0, y0), _, _, (x1, y1) = quad.segment(middle, middle).points
                yield _Word(kept, ((x0 + x1) / 2, (y0 + y1) / 2), max(math.dist(quad.p0, quad.p3), 1.0))
