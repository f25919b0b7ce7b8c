"""True lines with known places, and what a detector and a recognizer would see of them through a grid of tiles."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

MODEL = "synthetic"
_LOOKALIKES = dict(zip("0123456789abcdefghijklmnopqrstuvwxyz", "OlZE4SbT8gaocdcfqhlikimnopqrstuvvvxvz", strict=False))


@dataclass(frozen=True, slots=True)
class SyntheticLine:
    """A line of text: where it starts (x, y: the middle of its left edge), its angle in degrees, height in pixels.

    `pitch` is the width of a character in text heights.
    """

    text: str
    x: float
    y: float
    height: float
    angle: float = 0.0
    pitch: float = 0.5

    @property
    def length(self) -> float:
        return len(self.text) * self.pitch * self.height

    @property
    def direction(self) -> tuple[float, float]:
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    def point(self, s: float, t: float = 0.0) -> tuple[float, float]:
        """Give the place s pixels along the line and t pixels across it (down)."""
        ux, uy = self.direction
        return self.x + s * ux - t * uy, self.y + s * uy + t * ux

    def centre(self, index: int) -> float:
        """Give how far along the line the centre of a character lies, pixels."""
        return (index + 0.5) * self.pitch * self.height

    def quad(self, start: float, end: float, top: float, bottom: float) -> Quad:
        corners = ((start, top), (end, top), (end, bottom), (start, bottom))
        return Quad.from_points([self.point(s, t) for s, t in corners])

    @property
    def full_quad(self) -> Quad:
        return self.quad(0, self.length, -self.height / 2, self.height / 2)


@dataclass(frozen=True, slots=True)
class SimulatedOcr:
    """How badly the models see.

    `jitter` (text heights) is the deviation of every place; `turn` (degrees) that of every angle; `wrong` is the share
    of the letters at cut ends that are lost or read as others; `regroup` the share of the gaps between words at which a
    detector parts a line in two, as it likes, in each tile anew; `halves`: it sees slices of lines and makes rubbish of
    them.
    """

    jitter: float = 0.0
    angle_jitter: float = 0.0
    error_rate: float = 0.0
    split_rate: float = 0.0
    reads_slices: bool = False


PERFECT_OCR = SimulatedOcr()
NOISY_OCR = SimulatedOcr(jitter=0.1, angle_jitter=1.0, error_rate=0.13, reads_slices=True)


def make_grid(size: Size, side: int, overlap: int, shift: tuple[int, int] = (0, 0)) -> list[Tile]:
    """Cut a page in square tiles; the last ones are moved inwards, and the second ones by the shift."""
    columns, rows = _spans(size.width, side, overlap, shift[0]), _spans(size.height, side, overlap, shift[1])
    return [
        Tile(TileId(0, 0, row, col), Box(x0, y0, x1, y1), size)
        for row, (y0, y1) in enumerate(rows)
        for col, (x0, x1) in enumerate(columns)
    ]


def _spans(extent: int, side: int, overlap: int, shift: int) -> list[tuple[int, int]]:
    if extent <= side:
        return [(0, extent)]
    starts = [0, *range(shift or side - overlap, extent - side, side - overlap), extent - side]
    return [(start, start + side) for start in starts]


def simulate_readings(
    lines: Sequence[SyntheticLine], tiles: Iterable[Tile], ocr: SimulatedOcr = PERFECT_OCR, seed: int = 0
) -> list[TileResult]:
    """Read every tile; what is seen of a line depends on nothing but the line, the tile's box and the seed."""
    return [
        TileResult(
            tile,
            tuple(
                fragment
                for number, line in enumerate(lines)
                if _is_near(line, tile.box)
                for fragment in _simulate_line(line, tile, ocr, random.Random(f"{seed} {number} {tile.box}"))
            ),
            MODEL,
        )
        for tile in tiles
    ]


def _is_near(line: SyntheticLine, box: Box) -> bool:
    return line.full_quad.bounds().intersection(box) is not None


def _simulate_line(line: SyntheticLine, tile: Tile, ocr: SimulatedOcr, rng: random.Random) -> list[Fragment]:
    span = _clip_to_box(line, tile.box, 0.0)
    if span and not _is_sliced(line, tile.box, span):
        return [
            fragment
            for first, stop in _split_at_spaces(line, ocr, rng)
            if (fragment := _make_fragment(line, tile, span, (first, stop), ocr, rng))
        ]
    return _sliced_fragments(line, tile, rng) if ocr.reads_slices else []


def _clip_to_box(line: SyntheticLine, box: Box, offset: float) -> tuple[float, float] | None:
    """Clip the line, t pixels below its middle, with the box; gives the part inside, pixels along the line."""
    low, high = 0.0, line.length
    (x, y), (ux, uy) = line.point(0, offset), line.direction
    for start, step, least, most in ((x, ux, box.x0, box.x1), (y, uy, box.y0, box.y1)):
        if abs(step) < 1e-9:
            if not least <= start <= most:
                return None
            continue
        one, two = sorted(((least - start) / step, (most - start) / step))
        low, high = max(low, one), min(high, two)
    return (low, high) if high > low else None


def _is_sliced(line: SyntheticLine, box: Box, span: tuple[float, float]) -> bool:
    """Say whether less than nine tenths of the letters' height are inside in the middle of the span."""
    middle = (span[0] + span[1]) / 2
    edges = (line.point(middle, 0.45 * side * line.height) for side in (-1, 1))
    return not all(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for x, y in edges)


def _split_at_spaces(line: SyntheticLine, ocr: SimulatedOcr, rng: random.Random) -> list[tuple[int, int]]:
    """Part the line's characters as the detector does, at some of the spaces."""
    breaks = [k for k, char in enumerate(line.text) if char == " " and rng.random() < ocr.split_rate]
    return list(zip([0, *(k + 1 for k in breaks)], [*breaks, len(line.text)], strict=True))


def _make_fragment(
    line: SyntheticLine,
    tile: Tile,
    span: tuple[float, float],
    group: tuple[int, int],
    ocr: SimulatedOcr,
    rng: random.Random,
) -> Fragment | None:
    width = line.pitch * line.height
    start, end = max(span[0], group[0] * width), min(span[1], group[1] * width)
    seen = [k for k in range(*group) if start <= line.centre(k) <= end]
    while seen and line.text[seen[0]] == " ":
        start = (seen.pop(0) + 1) * width
    while seen and line.text[seen[-1]] == " ":
        end = seen.pop() * width
    if not seen or end - start < 0.3 * line.height:
        return None
    texts = {k: line.text[k] for k in seen}
    for index, cut in ((seen[0], start == span[0] > 0), (seen[-1], end == span[1] < line.length)):
        if cut and rng.random() < ocr.error_rate:
            texts[index] = rng.choice(["", _LOOKALIKES.get(texts[index], "i")])
    quad, box_start, box_end = _jitter(line, start, end, ocr, rng)
    chars = [
        (texts[k], (line.centre(k) + _noise(rng, ocr.jitter * line.height) - box_start) / (box_end - box_start))
        for k in seen
        if texts[k]
    ]
    places = sorted(at for _, at in chars)
    made = tuple(Char(text, at, 0.87) for (text, _), at in zip(chars, places, strict=True))
    return Fragment(quad, made, round(0.9 + 0.1 * rng.random(), 4)) if made else None


def _jitter(
    line: SyntheticLine, start: float, end: float, ocr: SimulatedOcr, rng: random.Random
) -> tuple[Quad, float, float]:
    """Move the ends and the axis a little; a long box is turned less than a short one, or it would miss the text."""
    h = line.height
    start, end = start + _noise(rng, ocr.jitter * h), end + _noise(rng, ocr.jitter * h)
    end = max(end, start + 0.2 * h)
    turn = _noise(rng, math.tan(math.radians(ocr.angle_jitter)))
    lift = max(-0.15 * h, min(0.15 * h, turn * (end - start) / 2))
    shift = _noise(rng, ocr.jitter * h / 2)
    corners = ((start, shift - lift - h / 2), (end, shift + lift - h / 2), (end, shift + lift + h / 2))
    return (
        Quad.from_points([line.point(s, t) for s, t in (*corners, (start, shift - lift + h / 2))]),
        start,
        end,
    )


def _noise(rng: random.Random, deviation: float) -> float:
    """Give normal noise, never more than two deviations."""
    return max(-2 * deviation, min(2 * deviation, rng.gauss(0.0, 1.0) * deviation))


def _sliced_fragments(line: SyntheticLine, tile: Tile, rng: random.Random) -> list[Fragment]:
    """Give the rubbish that is read where a border slices the line lengthwise, nothing where too little is left."""
    levels = [(k / 10) * line.height for k in range(-5, 6)]
    inside = [(t, span) for t in levels if (span := _clip_to_box(line, tile.box, t))]
    if len(inside) < 4:
        return []
    start, end = max(span[0] for _, span in inside), min(span[1] for _, span in inside)
    if end - start < line.height:
        return []
    count = max(int((end - start) / (line.pitch * line.height)), 1)
    chars = tuple(Char(rng.choice("-~_.nuvrm"), (k + 0.5) / count, 0.87) for k in range(count))
    return [Fragment(line.quad(start, end, inside[0][0], inside[-1][0]), chars, 0.8)]


def make_lines(size: Size, rng: random.Random, style: str = "words", angle: float = 0.0) -> list[SyntheticLine]:
    """Fill a page with rows of lines at one angle, 1.1 to 1.6 text heights apart, with gaps of 0.7 to 3 in a row."""
    lines: list[SyntheticLine] = []
    ux, uy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    reach = (size.width + size.height) / 2
    t, above = -reach, 14
    while t < reach:
        h = rng.choice((14, 20, 24, 32, 40))
        t += (above + h) / 2 * rng.uniform(1.1, 1.6)
        above = h
        s = -reach + rng.uniform(0, 400)
        while s < reach:
            x, y = size.width / 2 + s * ux - t * uy, size.height / 2 + s * uy + t * ux
            line = SyntheticLine(random_text(style, rng), x, y, float(h), angle, 1.0 if style == "han" else 0.5)
            if is_inside(line, size):
                lines.append(line)
            s += line.length + h * rng.uniform(0.7, 3.0)
    return lines


def is_inside(line: SyntheticLine, size: Size) -> bool:
    """Say whether all of the line is on the page."""
    return all(4 < x < size.width - 4 and 4 < y < size.height - 4 for x, y in line.full_quad.points)


def random_text(style: str, rng: random.Random) -> str:
    """Make a text of 1 to 12 words."""
    if style == "han":
        return "".join(chr(rng.randrange(0x4E00, 0x9F00)) for _ in range(rng.randint(1, 25)))
    if style == "numbers":
        return " ".join(rng.choice(("0.00", "100.00", "0", "11", "1,111.11")) for _ in range(rng.randint(1, 12)))
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return " ".join("".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 12)))
