"""Probabilities of a CTC recognizer -> characters with their places."""

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocrfarm.recognize.ink_gaps import InkColumns, widest_gap
from ocrfarm.tile import Char

BLANK = 0
"""CTC's class for "no character here"."""

SPACE_PER_GAP, DIGIT_ONE_MARGIN = 5.0, 0.1
"""When a lost space is put back. PaddleOCR's recognizers drop every eighth space on dense print, though they half saw
it: there, log10(p) + 5 x white + room > 0. White is the widest inkless stretch between two characters in line heights,
less what is usual in the line, less .1 for each "1" beside it (a digit with white on both sides); room is the gap
between their time steps, in line heights. Of 1911 spaces on scanned receipts the tiny model drops 370, of which 55 are
left; 36 are put in wrongly; on drawn pages 102 of 112 come back, and 8 are wrong."""

_UNSPACED_SCRIPTS = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff5e]")
"""Han, kana and their punctuation: no spaces stand between these."""

_IN_NUMBER = re.compile(r"\d[.,:]\d")
"""No space is put back into a number, where points have white on both sides."""

_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
"""Kana, Han and Hangul: lines with these keep their full-width punctuation."""

_FULL_WIDTH = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFF5F)}


class Alphabet(NamedTuple):
    """The recognizer's classes in order, blank first, and which of them is the space."""

    classes: Sequence[str]
    space: int


class _ClassRun(NamedTuple):
    """Neighbouring time steps with the same best class: start <= step < end."""

    best: int
    start: int
    end: int


def decode(
    probabilities: NDArray[np.float32], alphabet: Alphabet, *, ink: InkColumns, step: float, height: int
) -> tuple[Char, ...]:
    """Decode one line greedily: equal neighbours are one character, blanks are dropped, lost spaces put back.

    probabilities: time x classes. ink: which columns of the line's image, `height` pixels high, hold ink; the line
    ends with them, its padding does not count. step: pixels from one time step to the next. A character's place is the
    middle of its run; its confidence is that of the run's first step, as in PaddleOCR.
    """
    runs = _find_runs(probabilities)
    gaps = [_gap_between(ink, before, run, step) / height for before, run in pairwise(runs)]
    usual = median(gaps or [0.0])
    text = "".join(alphabet.classes[run.best][:1] for run in runs)
    chars: list[Char] = []
    for index, run in enumerate(runs):
        if index and _can_have_space(alphabet, runs[index - 1], run) and not _is_in_number(text, index):
            before = runs[index - 1]
            space = float(probabilities[before.end - 1 : run.start + 1, alphabet.space].max())
            gap = gaps[index - 1] - usual - DIGIT_ONE_MARGIN * text[index - 1 : index + 1].count("1")
            room = (run.start - before.end) * step / height
            if math.log10(max(space, 1e-9)) + SPACE_PER_GAP * gap + room > 0:
                chars.append(Char(" ", _relative_position(before.end, run.start, len(ink) / step), space))
        sure = float(probabilities[run.start, run.best])
        chars.append(Char(alphabet.classes[run.best], _relative_position(run.start, run.end, len(ink) / step), sure))
    return _to_half_width(chars)


def _gap_between(ink: InkColumns, before: _ClassRun, run: _ClassRun, step: float) -> int:
    """Give the pixels of white between the middles of two characters."""
    start, end = (before.start + before.end) / 2 * step, (run.start + run.end) / 2 * step
    return widest_gap(ink, start=start, end=end)


def _is_in_number(text: str, index: int) -> bool:
    """Say whether the place before a character lies inside a number, at its point."""
    around, behind = text[max(index - 2, 0) : index + 1], text[index - 1 : index + 2]
    return any(re.fullmatch(_IN_NUMBER, part) for part in (around, behind))


def _find_runs(probabilities: NDArray[np.float32]) -> list[_ClassRun]:
    best = probabilities.argmax(axis=1)
    edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    runs = (_ClassRun(int(best[start]), start, end) for start, end in pairwise(edges))
    return [run for run in runs if run.best != BLANK]


def _can_have_space(alphabet: Alphabet, before: _ClassRun, run: _ClassRun) -> bool:
    """Say whether a space may stand between two characters: not beside another one, and not between Han characters."""
    if alphabet.space in (before.best, run.best):
        return False
    return not all(_UNSPACED_SCRIPTS.match(alphabet.classes[each.best]) for each in (before, run))


def _relative_position(start: int, end: int, columns: float) -> float:
    return min((start + end) / 2 / columns, 1.0)


def _to_half_width(chars: list[Char]) -> tuple[Char, ...]:
    """Turn full-width punctuation, which the models like to read, into the ASCII that a line without Han must mean."""
    if any(_EAST_ASIAN.match(char.text) for char in chars):
        return tuple(chars)
    return tuple(char._replace(text=_FULL_WIDTH.get(char.text, char.text)) for char in chars)
