"""Drawn pages with exact truth, of several kinds; the same kind, seed and size give the same page on every machine."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from ocrfarm.document import Line
from ocrfarm.geometry import Size
from ocrfarm.recognize import RgbPixels
from ocrfarm.sample import texts
from ocrfarm.sample.pen import GREY
from tests.benchmarks.canvas import Canvas, add_grain, list_faces, pick

SIZE = Size(4096, 3072)
_WIDE = Size(9216, 1536)

_Block = Callable[[Canvas], None]


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page: its pixels, the truth, and by the number of each slanted line a straight crop of the same text."""

    name: str
    pixels: RgbPixels
    lines: tuple[Line, ...]
    straight: Mapping[int, RgbPixels]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size(self.pixels.shape[1], self.pixels.shape[0])


def draw_page(kind: str, seed: int, han: Path, size: Size | None = None) -> DrawnPage:
    """Draw a page of one of the `KINDS`; `han` is the font file for Han text."""
    size = size or (_WIDE if kind == "wide" else SIZE)
    canvas = Canvas(size, random.Random(f"{kind} {seed}"), han)
    share = size.area / (_WIDE if kind == "wide" else SIZE).area
    for block, count in KINDS[kind]:
        for _ in range(max(1, round(count * share))):
            canvas.face = pick(canvas.rng, list_faces())
            block(canvas)
    straight = canvas.straight()
    lines = canvas.finish()
    return DrawnPage(f"{kind}-{seed}", add_grain(canvas.image, seed), lines, straight)


def _sentence(rng: random.Random, letters: int) -> str:
    """Make a text of about so many letters: words, figures, codes."""
    text = ""
    while len(text) < letters:
        text += f" {_number(rng) if rng.random() < 0.2 else rng.choice(_words())}" if text else rng.choice(_words())
    return text


def _han(rng: random.Random, letters: int) -> str:
    text = ""
    while len(text) < letters:
        text += rng.choice(texts.HAN_NOTES).partition("、")[2].rstrip("。")
    return text[:letters].strip()


def _number(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.uniform(0, 1000):.2f}",
            f"{rng.randrange(10, 9999)}",
            f"{rng.choice('ABCDEFGHKLMNPRSTUVWXYZ')}{rng.choice('ACDEFHKLMNPRTUVWXYZ')}-{rng.randrange(100, 9999)}",
            f"{rng.randrange(1, 28):02d}.{rng.randrange(1, 12):02d}.{rng.randrange(1990, 2030)}",
        )
    )


@cache
def _words() -> tuple[str, ...]:
    sources = (*texts.NOTES, *texts.CONDITIONS, *(name for name, _ in texts.PARTS))
    words = {word.strip(".,;:()") for source in sources for word in source.split()}
    return tuple(sorted(word for word in words if word.isalpha() and len(word) > 1))


def _long(canvas: Canvas, low: int = 1000, high: int = 2800, han: float = 0.0, angles: str = "level") -> None:
    """Write one line of `low` to `high` pixels, but never longer than the page has room for."""
    rng, size = canvas.rng, canvas.rng.choice((18, 22, 26, 30, 36, 44))
    angle, extent = _angle(canvas, angles)
    wanted = rng.uniform(min(low, 0.5 * extent), min(high, 0.9 * extent))
    make = _han if rng.random() < han else _sentence
    _write_long(canvas, make(rng, round(wanted / size * 4)), size, wanted, angle)


def _repeated(canvas: Canvas) -> None:
    """Write figures that look alike everywhere: no text merge can tell by the letters alone where it is."""
    rng, size = canvas.rng, canvas.rng.choice((18, 22, 28, 34))
    unit = rng.choice(
        ("0.00 0.00 100.00", "0.00 0.00 0.00 0.00", "100.00 100.00", "47 74 474 747", "1.25 12.5 125 1.25")
    )
    _write_long(canvas, " ".join([unit] * 40), size, rng.uniform(500, min(2000, 0.9 * canvas.size.width)), 0.0)


def _write_long(canvas: Canvas, text: str, size: int, wanted: float, angle: float) -> None:
    letters = len(text)
    while letters > 1 and canvas.text_length(text[:letters], size) > wanted:
        letters -= max(1, letters // 100)
    cut = text[:letters].strip()
    canvas.put(cut.rpartition(" ")[0] or cut, size, angle=angle)


def _angle(canvas: Canvas, angles: str) -> tuple[float, float]:
    """Give degrees, counterclockwise, and the room on the page in that direction."""
    if angles == "slanted":
        return canvas.rng.choice((-1, 1)) * canvas.rng.uniform(2, 40), 0.6 * canvas.size.width
    if angles == "vertical":
        return canvas.rng.choice((90.0, 270.0)), canvas.size.height
    return 0.0, canvas.size.width


def _paragraph(canvas: Canvas, han: float = 0.0) -> None:
    """Write a block of lines set close."""
    rng, size = canvas.rng, canvas.rng.choice((14, 16, 18, 20, 24, 28, 32, 40))
    width, rows, step = rng.uniform(15, 45) * size, rng.randint(3, 8), round(size * rng.uniform(1.35, 1.7))
    box = canvas.room(min(width, 0.9 * canvas.size.width), rows * step, size)
    if not box:
        return
    make = _han if rng.random() < han else _sentence
    for row in range(rows):
        text = make(rng, 60)
        while canvas.text_length(text, size) > box.width:
            text = text.rpartition(" ")[0] or text[:-1]
        canvas.add_text((box.x0, box.y0 + row * step + size), text, size=size)


def _label(canvas: Canvas, low: int = 14, high: int = 64, han: float = 0.0, letters: int = 18) -> None:
    """Write one to three words of any size in between, small ones more often."""
    rng = canvas.rng
    size = round(low * (high / low) ** rng.random())
    wide = int(0.8 * canvas.size.width / size)
    count = max(2, min(rng.randint(2, letters), wide))
    kind = rng.random()
    text = _han(rng, count) if kind < han else _number(rng) if kind > 0.75 else _sentence(rng, count)
    if canvas.text_length(text, size) < 0.9 * canvas.size.width:
        canvas.put(text, size)


def _table(canvas: Canvas, narrowest: float = 1.6) -> None:
    """Draw cells that stand `narrowest` to 2.4 font sizes apart, with rules or without."""
    rng, size = canvas.rng, canvas.rng.choice((18, 20, 22, 24, 28))
    gap, step = rng.uniform(narrowest, 2.4) * size, round(size * 1.8)
    columns = range(rng.randint(4, 8))
    rows = [[_cell(rng, column) for column in columns] for _ in range(rng.randint(8, 14))]
    widths = [max(canvas.text_length(row[column], size) for row in rows) + gap for column in columns]
    box = canvas.room(sum(widths), len(rows) * step, size)
    if not box:
        return
    for number, row in enumerate(rows):
        x = box.x0 + gap / 2
        for text, width in zip(row, widths, strict=True):
            canvas.add_text(
                (x + width - gap, box.y0 + number * step + round(size * 1.25)), text, size=size, anchor="rs"
            )
            x += width
    if rng.random() < 0.5:
        for number in range(len(rows) + 1):
            y = box.y0 + number * step
            canvas.draw.line([(box.x0, y), (box.x1, y)], GREY, 1)
        for x in _edges(box.x0, widths):
            canvas.draw.line([(x, box.y0), (x, box.y1)], GREY, 1)


def _cell(rng: random.Random, column: int) -> str:
    return rng.choice(_words()) if column == 0 else rng.choice((_number(rng), f"{rng.uniform(0, 100):.2f}", "0.00"))


def _edges(start: float, widths: list[float]) -> Iterator[float]:
    yield start
    for width in widths:
        start += width
        yield start


KINDS: dict[str, tuple[tuple[_Block, int], ...]] = {
    "mixed": (
        (partial(_label, low=100, high=500, letters=8), 4),
        (_table, 3),
        (partial(_long, low=300, high=1500, angles="slanted"), 6),
        (partial(_long, han=0.1), 10),
        (partial(_long, low=300, high=1600, han=0.2, angles="vertical"), 6),
        (_repeated, 3),
        (partial(_paragraph, han=0.2), 9),
        (partial(_label, han=0.2), 60),
    ),
    "latin": ((_long, 22), (_repeated, 5), (_paragraph, 16), (_label, 60)),
    "han": (
        (partial(_long, low=300, high=1500, han=1.0, angles="slanted"), 4),
        (partial(_long, low=300, high=1600, han=1.0, angles="vertical"), 4),
        (partial(_long, han=1.0), 12),
        (partial(_paragraph, han=1.0), 14),
        (partial(_label, han=1.0), 60),
    ),
    "rotated": (
        (partial(_long, low=300, high=2000, angles="slanted"), 20),
        (partial(_long, low=300, high=2000, angles="vertical"), 24),
        (_label, 30),
    ),
    "tables": ((partial(_table, narrowest=0.9), 12), (_repeated, 8), (_label, 30)),
    "big": ((partial(_label, low=200, high=600, letters=8), 8), (partial(_label, low=64, high=200), 30), (_label, 60)),
    "wide": ((partial(_long, low=3000, high=8000, han=0.2), 14), (_repeated, 4), (_label, 30)),
}
"""What is drawn on each kind of page, the largest first, and how often on 4096 x 3072 pixels (`wide`: 9216 x 1536)."""
