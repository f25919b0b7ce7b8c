"""Draws the documents' diagrams with the project's own tiling and stitcher: python docs/tools/diagrams.py FOLDER."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ocrfarm.geometry import Box, Size
from ocrfarm.pipeline import recognize_tile, tile_page
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import PAPER, SyntheticEngine, draw_synthetic_line
from ocrfarm.split.tiling import pyramid_levels, tile_grid
from ocrfarm.stitch import stitch
from ocrfarm.tile import TileResult

INK, GREY, PALE, TEAL, AMBER, RED = "#263238", "#546e7a", "#90a4ae", "#00796b", "#b26a00", "#c62828"
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
MONO = "font-family='DejaVu Sans Mono, Menlo, monospace'"


def rectangle(box: tuple[float, float, float, float], colour: str, fill: str = "none", more: str = "") -> str:
    """Draw x, y, width, height."""
    x, y, width, height = box
    return f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' stroke='{colour}' fill='{fill}' {more}/>"


def text(at: tuple[float, float], words: str, *, colour: str = INK, size: float = 13, more: str = "") -> str:
    """Write words whose line begins at a point; `more` may anchor it elsewhere."""
    return (
        f"<text x='{at[0]:g}' y='{at[1]:g}' fill='{colour}' font-size='{size:g}' {more or FONT}>{escape(words)}</text>"
    )


def middle(at: tuple[float, float], words: str, *, colour: str = INK, size: float = 13) -> str:
    """Write words whose middle is at a point."""
    return text(at, words, colour=colour, size=size, more=f"{FONT} text-anchor='middle'")


def arrow(start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> str:
    """Draw a line with a head at its end."""
    dash = "stroke-dasharray='4 3'" if dashed else ""
    points = f"x1='{start[0]:g}' y1='{start[1]:g}' x2='{end[0]:g}' y2='{end[1]:g}'"
    return f"<line {points} stroke='{INK}' stroke-width='1.4' marker-end='url(#head)' {dash}/>"


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Put parts on a white sheet, which is legible on a dark page too."""
    head = "<marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img'>",
            f"<title>{escape(title)}</title>",
            f"<defs>{head}<path d='M0 0 L8 4 L0 8 z' fill='{INK}'/></marker></defs>",
            f"<rect width='{width}' height='{height}' fill='white' rx='8'/>",
            *parts,
            "</svg>\n",
        ]
    )


PAGE, SIDE, OVERLAP = Size(7000, 5200), 2048, 192
BLANK = (1, 2)
"""Row and column of the tile that the diagram shows as blank."""


def tiles() -> str:
    """Show how a page is cut, and what the coarse level adds."""
    scale, left, top = 0.075, 30.0, 46.0
    native = tile_grid(PAGE, side=SIDE, overlap=OVERLAP)
    parts = [
        text((left, 28), f"a page of {PAGE.width} x {PAGE.height} pixels, tiles of {SIDE}, {OVERLAP} shared at least")
    ]
    for tile in native:
        box = _scaled(tile.box, scale, left, top)
        blank = (tile.id.row, tile.id.col) == BLANK
        parts.append(rectangle(box, TEAL, PALE if blank else TEAL, "fill-opacity='.14' stroke-width='1.2'"))
        words = "blank: not sent" if blank else f"r{tile.id.row} c{tile.id.col}"
        parts.append(middle((box[0] + box[2] / 2, box[1] + box[3] / 2), words, colour=GREY if blank else INK, size=12))
    right, small = left + PAGE.width * scale + 60, scale / 2.4
    level = pyramid_levels(PAGE, side=SIDE, overlap=OVERLAP)[0]
    parts.append(text((right, 28), f"level {level}: the page shrunk by {1 << level}"))
    parts.append(rectangle((right, top, PAGE.width * small, PAGE.height * small), AMBER, AMBER, "fill-opacity='.14'"))
    parts.append(middle((right + PAGE.width * small / 2, top + PAGE.height * small / 2 + 14), "TITLE", size=40))
    notes = ("letters larger than what tiles share:", "no native tile sees them whole")
    parts += [text((right, top + PAGE.height * small + 24 + 18 * row), note, size=12) for row, note in enumerate(notes)]
    return svg(860, 470, "How a page is cut into tiles that overlap", parts)


def _scaled(box: Box, scale: float, left: float, top: float) -> tuple[float, float, float, float]:
    return left + box.x0 * scale, top + box.y0 * scale, box.width * scale, box.height * scale


LINE, STRIP = "PUMP HOUSE No. 4711, RIVERSIDE ROAD, DRAWING PS7-GA-000 B", Size(800, 512)
CUT = replace(find_profile("synthetic"), tiling=Tiling(512, 224, levels=False))


class Letter(NamedTuple):
    """A character and where its centre is, in pixels of the page."""

    text: str
    x: float


def seam() -> str:
    """Show a line that two tiles see in part, and how it becomes one; read and stitched by the real code."""
    pixels = np.full((STRIP.height, STRIP.width), PAPER, np.uint8)
    draw_synthetic_line(pixels, LINE, x=40, y=100, height=24)
    readings: list[TileResult] = []
    for tile in tile_page(STRIP, CUT, number=0):
        box = tile.box
        cut = pixels[box.y0 : box.y1, box.x0 : box.x1]
        readings += recognize_tile(SyntheticEngine(), tile, pixels=cut, profile=CUT)
    (line,) = stitch(STRIP, readings)
    first, second = map(_letters, readings)
    switch = _switch(first, second)
    joined = [each for each in first if each.x <= switch], [each for each in second if each.x > switch]
    if "".join(each.text for each in chain(*joined)) != line.text:
        raise SystemExit("the diagram of the seam does not show what `stitch` does")
    parts = [text((30, 28), "two tiles, and a line that neither of them sees whole")]
    for reading, colour, shift in zip(readings, (TEAL, AMBER), (0, 8), strict=True):
        frame = (30 + reading.tile.box.x0, 44 + shift, reading.tile.box.width, 70 - 2 * shift)
        parts.append(rectangle(frame, colour, colour, "fill-opacity='.10' stroke-width='1.4'"))
    parts += [_drawn(each, 86, INK) for each in chain(*joined)]
    rows = ((first, TEAL, "what the left tile reads"), (second, AMBER, "what the right tile reads"))
    for y, (letters, colour, words) in zip((164, 214), rows, strict=True):
        parts += [text((30, y - 22), words, colour=colour, size=12), *(_drawn(each, y, colour) for each in letters)]
    parts.append(
        text((30, 250), "stitched: the text switches tiles after a letter that both read at the same place", size=12)
    )
    parts += [
        _drawn(each, 272, colour) for letters, colour in zip(joined, (TEAL, AMBER), strict=True) for each in letters
    ]
    at = 30 + switch + (second[1].x - second[0].x) / 2
    parts.append(f"<line x1='{at:g}' y1='124' x2='{at:g}' y2='282' stroke='{RED}' stroke-dasharray='5 4'/>")
    return svg(860, 300, "How a line that is cut by a side of a tile becomes whole", parts)


def _letters(reading: TileResult) -> list[Letter]:
    (fragment,) = reading.fragments
    return [
        Letter(char.text, fragment.quad.segment(char.position, char.position).points[0][0]) for char in fragment.chars
    ]


def _switch(first: list[Letter], second: list[Letter]) -> float:
    """Return the x of the letter that both read, nearest to the middle of what both see."""
    both = [each.x for each in first for other in second if each.text == other.text and abs(each.x - other.x) < 1]
    return min(both, key=lambda x: abs(x - (second[0].x + first[-1].x) / 2))


def _drawn(letter: Letter, y: float, colour: str) -> str:
    return text((30 + letter.x, y), letter.text, colour=colour, size=20, more=f"{MONO} text-anchor='middle'")


STAGES = {
    "split": (250, "cuts the image\nas it streams by"),
    "recognize": (450, "reads tiles,\none model each"),
    "stitch": (660, "joins the lines\nwhen all are read"),
}


def farm() -> str:
    """Show who hands what to whom."""
    parts = [text((30, 28), "messages hold ids alone; pixels and results go through the store")]
    for name, x, y in (("client", 60, 130), *((name, x, 130) for name, (x, _) in STAGES.items())):
        for back in (16, 8, 0) if name == "recognize" else (0,):
            parts.append(rectangle((x + back, y - back, 120, 70), INK, "white", "rx='6' stroke-width='1.4'"))
        parts.append(middle((x + 60, y + 22), name, size=15))
        for row, words in enumerate(STAGES.get(name, (0, "submits, waits,\nfetches"))[1].splitlines()):
            parts.append(middle((x + 60, y + 42 + 15 * row), words, colour=GREY, size=11))
    parts += [arrow((180, 165), (248, 165)), arrow((370, 165), (448, 165)), arrow((586, 165), (658, 165))]
    parts += [middle((214, 156), "job"), middle((409, 156), "batches", size=12), middle((622, 156), "chord", size=12)]
    parts += [
        rectangle((60, 46, 720, 34), TEAL, TEAL, "rx='6' fill-opacity='.14'"),
        middle((420, 68), "broker: queues, and the progress of each job", size=12),
    ]
    parts += [rectangle((60, 258, 720, 34), AMBER, AMBER, "rx='6' fill-opacity='.14'")]
    parts.append(middle((420, 280), "store: image, tiles, the text of each tile, result; the truth of a job", size=12))
    for what, at in {"image": 120, "image, tiles": 310, "tiles, lines": 510, "lines, result": 720}.items():
        parts += [arrow((at, 228), (at, 202), dashed=True), arrow((at, 228), (at, 256), dashed=True)]
        parts.append(text((at + 6, 234), what, size=11))
    way = "M 720 130 C 720 96, 540 96, 520 112"
    parts.append(f"<path d='{way}' fill='none' stroke='{RED}' stroke-width='1.4' marker-end='url(#head)'/>")
    parts.append(text((636, 98), "if in doubt: a second pass", colour=RED, size=11))
    return svg(840, 310, "The farm: split, recognize, stitch, with a broker and a store", parts)


DIAGRAMS = {"tiles": tiles, "seam": seam, "farm": farm}


def main(folder: Path) -> None:
    """Write every diagram."""
    for name, draw in DIAGRAMS.items():
        (folder / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
