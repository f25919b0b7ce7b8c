"""The sheet as a whole: frame, title, notes, tables and title block round the two drawings."""

import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrfarm.document import Line
from ocrfarm.errors import SettingsError
from ocrfarm.geometry import Box, Size
from ocrfarm.sample import texts
from ocrfarm.sample.blocks import Column, draw_heading, draw_paragraphs, draw_table
from ocrfarm.sample.machine import draw_machine
from ocrfarm.sample.pen import GREY, INK, MIN_FONT_SIZE, Pen, check_font
from ocrfarm.sample.site_plan import draw_site

MIN_SIDE = 512
"""Smallest side in pixels; a smaller page has room for hardly any text."""

_GRAIN_ROWS = 64
"""Rows that get their grain of paper at a time: few enough for little memory, too many for a visible pattern."""

_GRAIN_WIDTH = 2048
"""Pixels after which the grain of a row repeats: within the 32 KiB window of PNG's compression, for a small file."""

_PAPER_GREYS = (246, 253)
"""Darkest and lightest (exclusive) grey level of the paper: like a clean scan."""

_PNG_LEVEL = 1
"""PNG compression level, of 9; a higher one takes many times as long and saves a few percent."""

_Grey = NDArray[np.uint8]


def draw_sample(size: Size, *, seed: int, font: Path | None) -> tuple[_Grey, tuple[Line, ...]]:
    """Draw the sheet and return its lines as they are written, zone by zone.

    Fonts of the machine are not searched, so that equal arguments give equal pixels on every machine.

    >>> pixels, lines = draw_sample(Size(1024, 1024), seed=0, font=None)
    >>> pixels.shape, lines[0].text
    ((1024, 1024), '1')

    Args:
        size: Width and height in pixels, each at least `MIN_SIDE`.
        seed: Decides the numbers in the tables and the grain of the paper.
        font: A font file with Chinese glyphs; without it the page has no Chinese text.

    Returns:
        The pixels (height x width, grey, uint8), and the lines.

    Raises:
        SettingsError: The page is too small, or `font` is not a font.
    """
    image, truth = _draw_sheet(size, seed, font)
    return np.array(image), truth


def write_sample(path: Path, size: Size, *, seed: int, font: Path | None) -> tuple[Line, ...]:
    """Write the sheet as a PNG file and its exact text beside it, as JSON.

    Args:
        path: File to write; the text is written to the same name with `.json` appended.
        size: Width and height in pixels, each at least `MIN_SIDE`.
        seed: Decides the numbers in the tables and the grain of the paper.
        font: A font file with Chinese glyphs; without it the page has no Chinese text.

    Returns:
        The lines.

    Raises:
        SettingsError: The page is too small, or `font` is not a font.
        OSError: A file cannot be written.
    """
    image, truth = _draw_sheet(size, seed, font)
    unfinished = path.with_name(path.name + ".part")
    image.save(unfinished, "PNG", compress_level=_PNG_LEVEL)
    unfinished.replace(path)
    lines = [{"text": line.text, "quad": [[round(x, 2), round(y, 2)] for x, y in line.quad.points]} for line in truth]
    data = {"width": size.width, "height": size.height, "lines": lines}
    path.with_name(path.name + ".json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return truth


def _draw_sheet(size: Size, seed: int, font: Path | None) -> tuple[Image.Image, tuple[Line, ...]]:
    if min(size.width, size.height) < MIN_SIDE:
        raise SettingsError(f"a sample page of {size.width} x {size.height} px is too small: use {MIN_SIDE} px or more")
    if font:
        check_font(font)
    pen, rng = Pen(size, font), random.Random(seed)
    _draw_frame(pen)
    _draw_title(pen)
    draw_machine(pen, _page_zone(pen, 3, 13, 62, 57))
    _draw_notes(pen)
    _draw_legend(pen, _page_zone(pen, 65, 42, 97, 57))
    draw_site(pen, _page_zone(pen, 3, 59.5, 36, 97), rng=rng)
    _draw_parts_list(pen, _page_zone(pen, 38, 59.5, 62, 74), rng)
    _draw_stamp_field(pen, _page_zone(pen, 38, 75.5, 62, 97))
    _draw_pipe_schedule(pen, _page_zone(pen, 65, 59.5, 97, 71), rng)
    _draw_test_record(pen, _page_zone(pen, 65, 72.5, 97, 83), rng)
    _draw_title_block(pen, _page_zone(pen, 65, 84.5, 97, 97), seed)
    truth = pen.finish()
    _add_paper_grain(pen.image, seed)
    return pen.image, truth


def _page_zone(pen: Pen, x0: float, y0: float, x1: float, y1: float) -> Box:
    """Return a part of the page from percentages of its width and height."""
    across, down = pen.size.width / 100, pen.size.height / 100
    return Box(round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down))


def _draw_frame(pen: Pen) -> None:
    """Draw two borders with the names of the grid fields between them, as on every drawing sheet."""
    outer, inner = _page_zone(pen, 0.8, 0.8, 99.2, 99.2), _page_zone(pen, 1.9, 1.9, 98.1, 98.1)
    for box, width in ((outer, 6), (inner, 18)):
        pen.draw.rectangle([box.x0, box.y0, box.x1, box.y1], None, INK, pen.scale_length(width))
    size = pen.scale_font_size(90)
    for field in range(12):
        x = inner.x0 + (field + 0.5) * inner.width / 12
        for y in ((outer.y0 + inner.y0) / 2, (outer.y1 + inner.y1) / 2):
            pen.add_text((x, y), str(field + 1), size=size, anchor="mm")
    for field in range(8):
        y = inner.y0 + (field + 0.5) * inner.height / 8
        for x in ((outer.x0 + inner.x0) / 2, (outer.x1 + inner.x1) / 2):
            pen.add_text((x, y), "ABCDEFGH"[field], size=size, anchor="mm")


def _draw_title(pen: Pen) -> None:
    """Write a title as wide as the sheet, too large for a tile, and a subtitle."""
    box = _page_zone(pen, 3, 3, 97, 12)
    size = int(min(box.height * 0.8, 100 * box.width / pen.text_length(texts.TITLE, 100)))
    pen.add_text((box.x0, box.y0 + size * 0.85), texts.TITLE, size=size)
    base = box.y0 + size * 0.85 + pen.scale_length(330)
    pen.add_text((box.x0, base), texts.SUBTITLE, size=pen.scale_font_size(120))
    pen.add_text((box.x1, base), texts.HAN_SUBTITLE, size=pen.scale_font_size(120), anchor="rs")
    pen.draw.line([(box.x0, box.y1), (box.x1, box.y1)], INK, pen.scale_length(10))


def _draw_notes(pen: Pen) -> None:
    """Write numbered notes in two columns, the right one in Chinese."""
    left = draw_heading(pen, _page_zone(pen, 65, 13, 80, 41), text="GENERAL NOTES", size=pen.scale_font_size(110))
    notes = [f"{number}. {note}" for number, note in enumerate(texts.NOTES, 1)]
    draw_paragraphs(pen, left, items=notes, size=pen.scale_font_size(58))
    head = "总说明" if pen.can_write("总") else "NOTES"
    right = draw_heading(pen, _page_zone(pen, 82, 13, 97, 41), text=head, size=pen.scale_font_size(110))
    draw_paragraphs(pen, right, items=texts.HAN_NOTES, size=pen.scale_font_size(84))


def _draw_legend(pen: Pen, box: Box) -> None:
    left = draw_heading(pen, box, text="LEGEND", size=pen.scale_font_size(100))
    columns = (Column("Mark", 0.12), Column("Meaning", 0.38), Column("Mark", 0.12), Column("Meaning", 0.38))
    half = len(texts.LEGEND) // 2
    rows = [(*first, *second) for first, second in zip(texts.LEGEND[:half], texts.LEGEND[half:], strict=True)]
    draw_table(pen, left, columns=columns, rows=rows, size=pen.scale_font_size(80))


def _draw_parts_list(pen: Pen, box: Box, rng: random.Random) -> None:
    head = "PARTS LIST   零件明细表" if pen.can_write("零") else "PARTS LIST"
    left = draw_heading(pen, box, text=head, size=pen.scale_font_size(90))
    columns = (
        Column("Pos", 0.08, is_right_aligned=True), Column("Qty", 0.08, is_right_aligned=True), Column("Part", 0.44),
        Column("Material", 0.26), Column("kg", 0.14, is_right_aligned=True),
    )  # fmt: skip
    named = [part for part in (*texts.HAN_PARTS, *texts.PARTS) if pen.can_write(part[0])]
    rows = [
        (str(number), str(rng.choice((1, 1, 1, 2, 4, 12))), name, material, f"{rng.uniform(0.2, 900):.1f}")
        for number, (name, material) in enumerate(named, 1)
    ]
    draw_table(pen, left, columns=columns, rows=rows, size=pen.scale_font_size(28))


def _draw_stamp_field(pen: Pen, box: Box) -> None:
    """Draw a field that is nearly empty, so that some tiles have nothing to read."""
    pen.draw.rectangle([box.x0, box.y0, box.x1, box.y1], None, GREY, pen.scale_length(6))
    at = (box.x0 + pen.scale_length(60), box.y0 + pen.scale_length(110))
    pen.add_text(at, "RESERVED FOR STAMPS OF APPROVAL", size=pen.scale_font_size(64))


def _draw_pipe_schedule(pen: Pen, box: Box, rng: random.Random) -> None:
    left = draw_heading(pen, box, text="PIPE SCHEDULE", size=pen.scale_font_size(90))
    heads = ("Line", "Service", "DN", "PN", "Length m", "bar", "°C", "Material")
    shares = (0.16, 0.16, 0.09, 0.08, 0.14, 0.1, 0.1, 0.17)
    columns = [
        Column(head, share, is_right_aligned=head in heads[2:7]) for head, share in zip(heads, shares, strict=True)
    ]
    rows = [_pipe_row(number, rng) for number in range(1, 61)]
    draw_table(pen, left, columns=columns, rows=rows, size=pen.scale_font_size(40))


def _pipe_row(number: int, rng: random.Random) -> tuple[str, ...]:
    service = rng.choice(texts.LINES)
    width, grade = rng.choice((25, 50, 80, 150, 300, 400)), rng.choice((10, 16, 25))
    length, pressure, heat = f"{rng.uniform(0.4, 64):.2f}", f"{rng.uniform(0.5, 9.5):.1f}", str(rng.randint(4, 38))
    return (f"P7-{service[0]}-{number:03d}", service, str(width), str(grade), length, pressure, heat, "P235GH")


def _draw_test_record(pen: Pen, box: Box, rng: random.Random) -> None:
    """Draw the record of a test run in small text: four tables side by side."""
    left = draw_heading(pen, box, text="TEST RECORD  P-101", size=pen.scale_font_size(70))
    heads = ("Time", "m3/h", "Head m", "kW", "Eff. %", "mm/s")
    columns = [Column(head, 1 / len(heads), is_right_aligned=True) for head in heads]
    for part in range(4):
        wide = left.width // 4
        x = left.x0 + part * wide
        rows = [_test_record_row(part * 60 + row, rng) for row in range(200)]
        part_box = Box(x, left.y0, x + wide - pen.scale_length(60), left.y1)
        draw_table(pen, part_box, columns=columns, rows=rows, size=pen.scale_font_size(16))


def _test_record_row(minute: int, rng: random.Random) -> tuple[str, ...]:
    flow = 900 + rng.uniform(-40, 40)
    head = 41.5 - (flow - 900) / 60
    power = flow * head / 367 / 0.83
    figures = (
        f"{flow:.1f}",
        f"{head:.2f}",
        f"{power:.1f}",
        f"{rng.uniform(82.1, 83.9):.1f}",
        f"{rng.uniform(0.9, 1.9):.2f}",
    )
    return (f"{8 + minute // 60:02d}:{minute % 60:02d}", *figures)


def _draw_title_block(pen: Pen, box: Box, seed: int) -> None:
    """Draw the title block: names and dates, revisions, drawing number, and the conditions in the smallest text."""
    x, y = box.x0 + box.width // 2, box.y0 + box.height // 2
    for edge in (box, Box(box.x0, box.y0, x, y), Box(x, box.y0, box.x1, y), Box(x, y, box.x1, box.y1)):
        pen.draw.rectangle([edge.x0, edge.y0, edge.x1, edge.y1], None, INK, pen.scale_length(12))
    inset, size = pen.scale_length(50), pen.scale_font_size(56)
    fields = Box(box.x0 + inset, box.y0 + inset, x - inset, y - inset)
    draw_table(pen, fields, columns=(Column("Sheet data", 0.25), Column("", 0.75)), rows=texts.TITLE_BLOCK, size=size)
    columns = (Column("Rev", 0.1), Column("Change", 0.58), Column("Date", 0.2), Column("By", 0.12))
    revisions = Box(x + inset, box.y0 + inset, box.x1 - inset, y - inset)
    draw_table(pen, revisions, columns=columns, rows=texts.REVISIONS, size=size)
    pen.add_text((x + inset, y + pen.scale_length(130)), "Drawing No.", size=pen.scale_font_size(64))
    pen.add_text((x + inset, y + pen.scale_length(480)), f"PS7-GA-{seed % 1000:03d}", size=pen.scale_font_size(330))
    owner = "河滨水务局" if pen.can_write("河") else "RIVER BOARD"
    pen.add_text((x + inset, y + pen.scale_length(740)), owner, size=pen.scale_font_size(170))
    small = Box(box.x0 + inset, y + inset, x - inset, box.y1 - inset)
    for size, share in ((MIN_FONT_SIZE, 0.3), (24, 0.62), (40, 1.0)):
        part = Box(small.x0, small.y0, small.x1, y + inset + round((box.y1 - y - 2 * inset) * share))
        small = Box(small.x0, draw_paragraphs(pen, part, items=texts.CONDITIONS, size=size) + size, small.x1, small.y1)


def _add_paper_grain(image: Image.Image, seed: int) -> None:
    """Give white the grain of paper: every pixel becomes at most as light as its grain."""
    rng = np.random.default_rng(seed)
    band = rng.integers(*_PAPER_GREYS, (_GRAIN_ROWS, _GRAIN_WIDTH), dtype=np.uint8)
    repeats = -(-image.width // _GRAIN_WIDTH)
    for y in range(0, image.height, _GRAIN_ROWS):
        bottom = min(y + _GRAIN_ROWS, image.height)
        grain = np.tile(np.roll(band, int(rng.integers(_GRAIN_WIDTH)), axis=1), (1, repeats))
        rows = np.asarray(image.crop((0, y, image.width, bottom)))
        image.paste(Image.fromarray(np.minimum(rows, grain[: bottom - y, : image.width])), (0, y))
