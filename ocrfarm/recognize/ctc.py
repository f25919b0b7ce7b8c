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

from ocrfarm.tile import Char

BLANK = 0
"""CTC's class for "no character here"."""

SPACE_PER_GAP, ONE_SIDE, USUAL_SHARE = 3.0, 0.17, 0.2
"""When a lost space is put back. PaddleOCR's recognizers drop every eighth space on dense print, though they half saw
it: there, log10(p) + 3 x room > 0, where room is the gap between two characters in line heights, less .17 for each "1"
beside it (a digit with white on both sides) and .2 of the line's usual gap (wide fonts). On scanned receipts this
restores 83 % of the lost spaces, seven right for each wrong one; on drawn pages 95 %, five right for each wrong one."""

_UNSPACED = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff5e]")
"""Han, kana and their punctuation: no spaces stand between these."""

_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
"""Kana, Han and Hangul: lines with these keep their full-width punctuation."""

_FULL_WIDTH = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFF5F)}


class Alphabet(NamedTuple):
    """The recognizer's classes in order, blank first, and which of them is the space."""

    classes: Sequence[str]
    space: int


class _Run(NamedTuple):
    """Neighbouring time steps with the same best class: start <= step < end."""

    best: int
    start: int
    end: int


def decode(probabilities: NDArray[np.float32], alphabet: Alphabet, *, columns: float, step: float) -> tuple[Char, ...]:
    """Decode one line greedily: equal neighbours are one character, blanks are dropped, lost spaces put back.

    probabilities: time x classes. columns: how many of the time steps lie on the line rather than on its padding.
    step: line heights from one time step to the next. A character's place is the middle of its run; its confidence is
    that of the run's first step, as in PaddleOCR.
    """
    runs = _runs(probabilities)
    usual = median([after.start - before.end for before, after in pairwise(runs)] or [0]) * step
    chars: list[Char] = []
    for before, run in zip([None, *runs], runs, strict=False):
        if before and _may_be_parted(alphabet, before, run):
            space = float(probabilities[before.end - 1 : run.start + 1, alphabet.space].max())
            ones = (alphabet.classes[before.best], alphabet.classes[run.best]).count("1")
            room = (run.start - before.end) * step - ONE_SIDE * ones - USUAL_SHARE * usual
            if math.log10(max(space, 1e-9)) + SPACE_PER_GAP * room > 0:
                chars.append(Char(" ", _place(before.end, run.start, columns), space))
        sure = float(probabilities[run.start, run.best])
        chars.append(Char(alphabet.classes[run.best], _place(run.start, run.end, columns), sure))
    return _half_width(chars)


def _runs(probabilities: NDArray[np.float32]) -> list[_Run]:
    best = probabilities.argmax(axis=1)
    edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    runs = (_Run(int(best[start]), start, end) for start, end in pairwise(edges))
    return [run for run in runs if run.best != BLANK]


def _may_be_parted(alphabet: Alphabet, before: _Run, run: _Run) -> bool:
    """Say whether a space may stand between two characters: not beside another one, and not between Han characters."""
    if alphabet.space in (before.best, run.best):
        return False
    return not all(_UNSPACED.match(alphabet.classes[each.best]) for each in (before, run))


def _place(start: int, end: int, columns: float) -> float:
    return min((start + end) / 2 / columns, 1.0)


def _half_width(chars: list[Char]) -> tuple[Char, ...]:
    """Turn full-width punctuation, which the models like to read, into the ASCII that a line without Han must mean."""
    if any(_EAST_ASIAN.match(char.text) for char in chars):
        return tuple(chars)
    return tuple(char._replace(text=_FULL_WIDTH.get(char.text, char.text)) for char in chars)
