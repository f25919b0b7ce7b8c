"""SyntheticEngine: an engine without a model that decodes text encoded in the pixels, for tests and benchmarks.

`draw_synthetic_line` encodes a line of height h as a row of cells, one per character, each h high and h // 2 wide:

    top row       _LINE_START, _CELL_START or _TOP: the first pixel of the line, of a later cell, any other pixel; the
                  last pixel of the line is _LINE_END
    rows between  all equal: the character's code point in base 64, a checksum, then padding
    bottom row    _BOTTOM

A truncated line can therefore be told from a complete one without its surroundings, and a line that is cut lengthwise
has lost its top or bottom row and is not decoded. Only lossless files preserve the encoding.
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
"""Name of the recognizer in `Line.model`."""

PAPER = 255
"""Grey level of an empty page."""

_TOP, _CELL_START, _LINE_START, _LINE_END = 20, 21, 22, 23
_BOTTOM = 30
_DIGIT_OFFSET = 64
"""Grey levels added to the value of each digit, so that no digit has the value of a marker."""

_DIGIT_COUNT = 5
"""Digits of a cell: four in base 64 hold any code point (21 bits of 24), and the fifth is a checksum."""

_WORDS = (
    *("valve", "pump", "flange", "bearing", "shaft", "DN80", "PN16", "M12x40", "0.25", "117.5", "4711", "2024-05-17"),
    *("A-A", "R3/4", "café", "Größe", "Ångström", "стена", "κανάλι", "(a)", "[b]", "<c>", "50%", "#9", "&", "@"),
    *("水泵", "阀门", "第三层", "标高", "管道", "图号", "ボルト", "밸브", "😀", "\U0010fffd"),
)

_MIN_GAP = 3
"""Line heights between neighbouring synthetic lines, so that stitching cannot join two of them."""

_MAX_TRIES = 1000
"""Number of random places to try for a line before the page counts as full."""

_GRID_STEP = 8
"""Pixels: cell size of the grid in which `make_synthetic_page` marks occupied places."""

_GreyPixels = NDArray[np.uint8]


class SyntheticEngine:
    """An `Engine` that decodes synthetic lines, complete or truncated by the sides of the array.

    It sleeps for `seconds_per_tile` in each call, to simulate the time of a model.
    """

    def __init__(self, model: str = MODEL, seconds_per_tile: float = 0.0) -> None:
        self.model = model
        self._seconds = seconds_per_tile

    def read(self, pixels: NDArray[np.uint8], *, accept: LineFilter = accept_all) -> EngineOutput:
        """Decode the lines of an image: horizontal ones first, then those that run downwards.

        Args:
            pixels: Height x width (grey) or height x width x 3, uint8.
            accept: Returns whether a line is to be returned.
        """
        time.sleep(self._seconds)
        grey = np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., 0])
        indexes = np.flatnonzero((grey - np.uint8(_TOP)) <= _LINE_END - _TOP)
        top_pixels = np.stack(np.divmod(indexes, grey.shape[1]), axis=1)
        horizontal = tuple(_find_fragments(grey, top_pixels))
        rotated = np.stack([grey.shape[1] - 1 - top_pixels[:, 1], top_pixels[:, 0]], axis=1)
        rotated = rotated[np.lexsort((rotated[:, 1], rotated[:, 0]))]
        vertical = tuple(_rotate_back(fragment, grey.shape[1]) for fragment in _find_fragments(np.rot90(grey), rotated))
        fragments = tuple(fragment for fragment in horizontal + vertical if accept(fragment.quad))
        return EngineOutput(fragments, input_columns=round(sum(fragment.quad.length for fragment in fragments)))

    def read_lines(self, pixels: NDArray[np.uint8], lines: Sequence[Quad]) -> list[Fragment]:
        """Return for each quad the characters of all synthetic lines whose centre lies in its bounds, as one line.

        Args:
            pixels: Height x width (grey) or height x width x 3, uint8.
            lines: Quads of the lines, in pixels of the array.
        """
        fragments = self.read(pixels).fragments
        return [_merge_inside(line, fragments) for line in lines]


def _merge_inside(line: Quad, fragments: Sequence[Fragment]) -> Fragment:
    inside = [fragment for fragment in fragments if line.bounds().contains(fragment.quad.segment(0.5, 0.5).bounds())]
    chars = [
        char._replace(position=_project_position(line, fragment.quad, char.position))
        for fragment in inside
        for char in fragment.chars
    ]
    return Fragment(line, tuple(sorted(chars, key=lambda char: char.position)), float(bool(chars)))


def draw_synthetic_line(
    pixels: NDArray[np.uint8], text: str, *, x: int, y: int, height: int, is_vertical: bool = False
) -> Quad:
    """Draw a line into an image, in place.

    Args:
        pixels: Height x width (grey) or height x width x 3, uint8; changed.
        text: The text; not empty.
        x: Left edge of the line, in pixels.
        y: Top edge of the line, in pixels.
        height: Height of the line, in pixels; at least `MIN_HEIGHT`.
        is_vertical: Rotate the line by 90 degrees clockwise, so that it reads downwards.

    Returns:
        The quad of the line.

    Raises:
        ValueError: The text is empty, the height too small, or the line reaches beyond the image.

    Examples:
        >>> page = np.full((40, 200), PAPER, np.uint8)
        >>> quad = draw_synthetic_line(page, "DN80", x=10, y=5, height=24)
        >>> quad.bounds()
        Box(x0=10, y0=5, x1=58, y1=29)
        >>> [fragment.text for fragment in SyntheticEngine().read(page).fragments]
        ['DN80']
    """
    box = _line_box(text, x, y, height, is_vertical)
    if not text or height < MIN_HEIGHT or not Box(0, 0, pixels.shape[1], pixels.shape[0]).contains(box):
        raise ValueError(f"a line of {len(text)} characters, {height} px high, cannot be drawn at ({x}, {y})")
    drawn = np.rot90(_render_line(text, height), -1) if is_vertical else _render_line(text, height)
    pixels[box.y0 : box.y1, box.x0 : box.x1] = drawn if pixels.ndim == 2 else drawn[..., None]
    return _line_quad(box, is_vertical)


def make_synthetic_page(size: Size, *, seed: int, lines: int) -> tuple[_GreyPixels, tuple[Line, ...]]:
    """Create a page with random lines; some are as long as the page, and some run downwards.

    Args:
        size: Size of the page, in pixels.
        seed: Seed of the random numbers; the same seed creates the same page.
        lines: Number of lines.

    Returns:
        The page, height x width, grey, uint8, and its lines as ground truth.

    Raises:
        ValueError: There is no room for so many lines.
    """
    rng = random.Random(seed)
    pixels = np.full((size.height, size.width), PAPER, np.uint8)
    taken = np.zeros((size.height // _GRID_STEP + 1, size.width // _GRID_STEP + 1), np.bool_)
    return pixels, tuple(_draw_random_line(rng, pixels, taken) for _ in range(lines))


class _TopRow(NamedTuple):
    """A run of pixels of a top row: y, first x, and the x after the last."""

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
    """Decode every line whose top and bottom rows exist; `top_pixels` contains (y, x) of top row pixels, sorted."""
    for run in _find_top_rows(grey, top_pixels):
        top = grey[run.y, run.start : run.end]
        starts = np.flatnonzero((top == _CELL_START) | (top == _LINE_START))
        height = _measure_height(grey[run.y :, run.start + starts[0]]) if len(starts) else 0
        if height >= MIN_HEIGHT and (fragment := _decode_line(grey, run, starts, height)):
            yield fragment


def _find_top_rows(grey: _GreyPixels, top_pixels: NDArray[np.intp]) -> Iterator[_TopRow]:
    """Join neighbouring pixels into top rows; if a line's end touches the next line's start, these are two rows."""
    y, x = top_pixels.T
    values = grey[y, x]
    parted = (np.diff(y) != 0) | (np.diff(x) != 1) | (values[1:] == _LINE_START) | (values[:-1] == _LINE_END)
    edges = np.concatenate([[0], np.flatnonzero(parted) + 1, [len(y)]])
    for first in np.flatnonzero(np.diff(edges) >= _DIGIT_COUNT):
        start, end = int(edges[first]), int(edges[first + 1])
        yield _TopRow(int(y[start]), int(x[start]), int(x[end - 1]) + 1)


def _measure_height(column: _GreyPixels) -> int:
    """Return the number of pixels down to the bottom row, or 0 if it is missing or something else comes before it."""
    bottom = int(np.argmax(column == _BOTTOM))
    return bottom + 1 if bottom and (column[1:bottom] == column[1]).all() else 0


def _decode_line(grey: _GreyPixels, run: _TopRow, starts: NDArray[np.intp], height: int) -> Fragment | None:
    """Decode the complete cells of one line; return None if there are none, or if a checksum is wrong."""
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
    """Map a fragment of the array that was rotated by 90 degrees counterclockwise back to the original array."""
    quad = Quad.from_points([(width - y, x) for x, y in fragment.quad.points])
    return Fragment(quad, fragment.chars, fragment.confidence)


def _project_position(line: Quad, quad: Quad, at: float) -> float:
    """Return the position on the line (0 = start, 1 = end) of the position `at` on another quad."""
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
    """Return the rows and columns of the grid that the box and `gap` pixels around it touch."""
    x0, y0, x1, y1 = (max(0, at) // _GRID_STEP for at in (box.x0 - gap, box.y0 - gap, box.x1 + gap, box.y1 + gap))
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _make_random_text(rng: random.Random, max_length: int) -> str:
    """Return random words: usually a few, sometimes as many as fit."""
    words = rng.choices(_WORDS, k=rng.choice((1, 2, 4, 8, 16, 80, 300)))
    return " ".join(words)[:max_length].strip() or "x"
