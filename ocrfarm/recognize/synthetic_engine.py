"""An engine that needs no model: it reads text that `plant` hid in the pixels, exactly, for tests and benchmarks.

A synthetic line of height h is a row of cells, one a character, each h high and h // 2 wide:

    top row       _START, _CELL or _RAIL: the first pixel of the line, of a later cell, any other; the line's very last
                  pixel is _END
    rows between  each the same: the character's code point in base 64, a checksum, then filling
    bottom row    _FLOOR

So a line says where it begins, ends and is cut without anything around it, and one that is cut lengthwise has lost its
top or its bottom row and says nothing. Only lossless files keep it.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocrfarm.document import Line
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.recognize.engine import EngineOutput, LineFilter, accept_all
from ocrfarm.tile import Char, Fragment

MIN_HEIGHT = 10
"""Pixels: a cell must be wide enough for its digits."""

MODEL = "synthetic"
"""The name under which lines say that this engine read them."""

PAPER = 255
"""Grey level of a page before anything is planted."""

_TOP, _CELL_START, _LINE_START, _LINE_END = 20, 21, 22, 23
_BOTTOM = 30
_DIGIT_OFFSET = 64
"""Grey levels: each digit is drawn this much lighter than its value, so that none looks like a row's end."""

_DIGIT_COUNT = 5
"""Four in base 64 hold any code point (21 bits of 24); the fifth is a checksum."""

_WORDS = (
    *("valve", "pump", "flange", "bearing", "shaft", "DN80", "PN16", "M12x40", "0.25", "117.5", "4711", "2024-05-17"),
    *("A-A", "R3/4", "café", "Größe", "Ångström", "стена", "κανάλι", "(a)", "[b]", "<c>", "50%", "#9", "&", "@"),
    *("水泵", "阀门", "第三层", "标高", "管道", "图号", "ボルト", "밸브", "😀", "\U0010fffd"),
)

_MIN_GAP = 3
"""Line heights between synthetic lines that follow one another, so that no two can be taken for one."""

_MAX_TRIES = 1000
"""Random places to try for a line before the page counts as full."""

_GRID_STEP = 8
"""Pixels: how finely `make_synthetic_page` remembers which places are taken."""

_GreyPixels = NDArray[np.uint8]


class SyntheticEngine:
    """Reads synthetic lines, whole or cut by the sides of the array; sleeps `seconds_per_tile` at each call."""

    def __init__(self, model: str = MODEL, seconds_per_tile: float = 0.0) -> None:
        self.model = model
        self._seconds = seconds_per_tile

    def read(self, pixels: NDArray[np.uint8], *, accept: LineFilter = accept_all) -> EngineOutput:
        """Read the wanted lines on height x width (x 3) pixels, level ones first, then those that run down."""
        time.sleep(self._seconds)
        grey = np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., 0])
        places = np.flatnonzero((grey - np.uint8(_TOP)) <= _LINE_END - _TOP)
        rails = np.stack(np.divmod(places, grey.shape[1]), axis=1)
        level = tuple(_find_fragments(grey, rails))
        turned = np.stack([grey.shape[1] - 1 - rails[:, 1], rails[:, 0]], axis=1)
        turned = turned[np.lexsort((turned[:, 1], turned[:, 0]))]
        down = tuple(_rotate_back(fragment, grey.shape[1]) for fragment in _find_fragments(np.rot90(grey), turned))
        fragments = tuple(fragment for fragment in level + down if accept(fragment.quad))
        return EngineOutput(fragments, input_columns=round(sum(fragment.quad.length for fragment in fragments)))

    def read_lines(self, pixels: NDArray[np.uint8], lines: Sequence[Quad]) -> list[Fragment]:
        """Give the characters of all synthetic lines whose middle is inside each quad's bounds, as one line."""
        found = self.read(pixels).fragments
        return [_merge_inside(line, found) for line in lines]


def _merge_inside(line: Quad, found: Sequence[Fragment]) -> Fragment:
    inside = [fragment for fragment in found if line.bounds().contains(fragment.quad.segment(0.5, 0.5).bounds())]
    chars = [
        char._replace(position=_project_position(line, fragment.quad, char.position))
        for fragment in inside
        for char in fragment.chars
    ]
    return Fragment(line, tuple(sorted(chars, key=lambda char: char.position)), float(bool(chars)))


def draw_synthetic_line(
    pixels: NDArray[np.uint8], text: str, *, x: int, y: int, height: int, is_vertical: bool = False
) -> Quad:
    """Draw a line into height x width (x 3) pixels, in place, and give its quad.

    (x, y) is the upper left corner; with `down` the line is turned by a quarter clockwise and reads downwards.
    ValueError for no text, a height below `MIN_HEIGHT`, or a line that sticks out.
    """
    box = _line_box(text, x, y, height, is_vertical)
    if not text or height < MIN_HEIGHT or not Box(0, 0, pixels.shape[1], pixels.shape[0]).contains(box):
        raise ValueError(f"a line of {len(text)} characters, {height} px high, cannot be drawn at ({x}, {y})")
    drawn = np.rot90(_render_line(text, height), -1) if is_vertical else _render_line(text, height)
    pixels[box.y0 : box.y1, box.x0 : box.x1] = drawn if pixels.ndim == 2 else drawn[..., None]
    return _line_quad(box, is_vertical)


def make_synthetic_page(size: Size, *, seed: int, lines: int) -> tuple[_GreyPixels, tuple[Line, ...]]:
    """Make a white grey page (height x width) with this many lines, and the truth; the same seed gives the same page.

    Some lines are as long as the page, some run down it. ValueError where there is no room for so many.
    """
    rng = random.Random(seed)
    pixels = np.full((size.height, size.width), PAPER, np.uint8)
    taken = np.zeros((size.height // _GRID_STEP + 1, size.width // _GRID_STEP + 1), np.bool_)
    return pixels, tuple(_draw_random_line(rng, pixels, taken) for _ in range(lines))


class _TopRow(NamedTuple):
    """Neighbouring pixels of a top row: y, first x, and the x after the last."""

    y: int
    start: int
    end: int


def _render_line(text: str, height: int) -> _GreyPixels:
    codes = np.array([ord(char) for char in text])
    digits = np.stack([*(codes >> shift & 63 for shift in (0, 6, 12, 18)), _compute_checksums(codes)], axis=1)
    cells = np.pad(digits, ((0, 0), (0, height // 2 - _DIGIT_COUNT))) + _DIGIT_OFFSET
    drawn = np.tile(cells.reshape(1, -1).astype(np.uint8), (height, 1))
    drawn[0] = _TOP
    drawn[0, :: height // 2] = _CELL_START
    drawn[0, 0], drawn[0, -1] = _LINE_START, _LINE_END
    drawn[-1] = _BOTTOM
    return drawn


def _compute_checksums(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return codes * 31 % 61 + 1


def _find_fragments(grey: _GreyPixels, top_pixels: NDArray[np.intp]) -> Iterator[Fragment]:
    """Decode every line whose top and bottom rows are there; `rails` holds (y, x) of top row pixels, in order."""
    for run in _find_top_rows(grey, top_pixels):
        top = grey[run.y, run.start : run.end]
        starts = np.flatnonzero((top == _CELL_START) | (top == _LINE_START))
        height = _measure_height(grey[run.y :, run.start + starts[0]]) if len(starts) else 0
        if height >= MIN_HEIGHT and (fragment := _decode_line(grey, run, starts, height)):
            yield fragment


def _find_top_rows(grey: _GreyPixels, top_pixels: NDArray[np.intp]) -> Iterator[_TopRow]:
    """Join neighbours into top rows, parted where one line's end touches the next line's start."""
    y, x = top_pixels.T
    values = grey[y, x]
    parted = (np.diff(y) != 0) | (np.diff(x) != 1) | (values[1:] == _LINE_START) | (values[:-1] == _LINE_END)
    edges = np.concatenate([[0], np.flatnonzero(parted) + 1, [len(y)]])
    for first in np.flatnonzero(np.diff(edges) >= _DIGIT_COUNT):
        start, end = int(edges[first]), int(edges[first + 1])
        yield _TopRow(int(y[start]), int(x[start]), int(x[end - 1]) + 1)


def _measure_height(column: _GreyPixels) -> int:
    """Give the pixels down to the bottom row, or 0 where it is missing or something else comes before it."""
    floor = int(np.argmax(column == _BOTTOM))
    return floor + 1 if floor and (column[1:floor] == column[1]).all() else 0


def _decode_line(grey: _GreyPixels, run: _TopRow, starts: NDArray[np.intp], height: int) -> Fragment | None:
    """Read the whole cells of one line; None where there are none, or where a cell is not what `plant` draws."""
    width = height // 2
    length = run.end - run.start
    starts = starts[starts + width <= length]
    row = grey[run.y + 1, run.start : run.end].astype(np.int64) - _DIGIT_OFFSET
    digits = row[starts[:, None] + np.arange(_DIGIT_COUNT)]
    codes = (digits[:, :4] << np.array([0, 6, 12, 18])).sum(axis=1)
    known = (digits >= 0).all(axis=1) & (codes <= sys.maxunicode) & (digits[:, 4] == _compute_checksums(codes))
    if not len(codes) or not known.all():
        return None
    middles = (starts + width / 2) / length
    chars = tuple(Char(chr(code), float(at), 1.0) for code, at in zip(codes, middles, strict=True))
    return Fragment(Quad.from_bounds(run.start, run.y, run.end, run.y + height), chars, 1.0)


def _rotate_back(fragment: Fragment, width: int) -> Fragment:
    """Turn a fragment that was found on the array turned by a quarter counterclockwise back on to the array."""
    quad = Quad.from_points([(width - y, x) for x, y in fragment.quad.points])
    return Fragment(quad, fragment.chars, fragment.confidence)


def _project_position(line: Quad, quad: Quad, at: float) -> float:
    """Give where on the line (0 = start, 1 = end) the place `at` of another quad lies."""
    (x, y), (x0, y0), (x1, y1) = quad.segment(at, at).p0, line.p0, line.p1
    return ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / max(line.length**2, 1.0)


def _line_box(text: str, x: int, y: int, height: int, is_vertical: bool) -> Box:
    length = len(text) * (height // 2)
    return Box(x, y, x + height, y + length) if is_vertical else Box(x, y, x + length, y + height)


def _line_quad(box: Box, is_vertical: bool) -> Quad:
    level = Quad.from_bounds(box.x0, box.y0, box.x1, box.y1)
    return Quad(level.p1, level.p2, level.p3, level.p0) if is_vertical else level


def _draw_random_line(rng: random.Random, pixels: _GreyPixels, taken: NDArray[np.bool_]) -> Line:
    page = Box(0, 0, pixels.shape[1], pixels.shape[0])
    for _ in range(_MAX_TRIES):
        height, down = rng.choice((16, 21, 24, 32, 48)), rng.random() < 0.15
        text = _make_random_text(rng, (page.height if down else page.width) // (height // 2))
        x, y = rng.randrange(page.width), rng.randrange(page.height)
        box = _line_box(text, x, y, height, down)
        if page.contains(box) and not taken[_grid_slices(box, _MIN_GAP * height)].any():
            taken[_grid_slices(box, 0)] = True
            return Line(
                text, draw_synthetic_line(pixels, text, x=x, y=y, height=height, is_vertical=down), 1.0, model=MODEL
            )
    raise ValueError(f"no room for so many lines on {page.width} x {page.height} px: ask for fewer")


def _grid_slices(box: Box, gap: int) -> tuple[slice, slice]:
    """Give the rows and columns of the map of taken places that the box and `gap` pixels around it touch."""
    x0, y0, x1, y1 = (max(0, at) // _GRID_STEP for at in (box.x0 - gap, box.y0 - gap, box.x1 + gap, box.y1 + gap))
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _make_random_text(rng: random.Random, max_length: int) -> str:
    """Give words, mostly a few, now and then as many as fit."""
    words = rng.choices(_WORDS, k=rng.choice((1, 2, 4, 8, 16, 80, 300)))
    return " ".join(words)[:max_length].strip() or "x"
