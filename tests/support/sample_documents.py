"""Documents of every kind that a format must hold, each with the image that it was read from."""

import io
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

from ocrfarm.document import Coverage, Document, Gap, Line, Page, Word
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.pdf_image_tiles import ImageTileCutter
from ocrfarm.result import SourceInfo
from ocrfarm.result.formats import FORMATS

SIZE = Size(900, 700)
BASE_URL = "http://localhost:8000/"


def make_line(text: str, *, x: float = 100, y: float = 50, angle: float = 0, height: float = 30) -> Line:
    """Give a line that begins at (x, y) and runs at so many degrees counter-clockwise, with the words of its text."""
    length = height * 0.6 * max(sum(2 if char > "\u2e80" else 1 for char in text), 1)
    turn = math.radians(-angle)
    along, down = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
    corners = ((0, 0), (length, 0), (length, height), (0, height))
    quad = Quad.from_points([(x + u * along[0] + v * down[0], y + u * along[1] + v * down[1]) for u, v in corners])
    return Line(text, quad, 0.9375, _words(text, quad), "PP-OCRv6_tiny_rec")


def _words(text: str, quad: Quad) -> tuple[Word, ...]:
    found, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        found.append(Word(word, quad.segment(start / len(text), at / len(text))))
    return tuple(found)


def make_page(*lines: Line, size: Size = SIZE, coverage: Coverage | None = None) -> Page:
    return Page(size, lines, coverage or Coverage(1, read=1))


_GAP = Gap(Box(0, 512, 256, 700), 'tile 0/0/2/0 took its worker down, "3 times" & more')

DOCUMENTS = {
    "ordinary": Document(
        (make_page(make_line("PUMP HOUSE No. 7"), make_line("Scale 1:50", y=90), make_line("x", x=700, y=600)),),
        {"wall": 1.5},
    ),
    "han": Document(
        (make_page(make_line("\u603b\u8bf4\u660e \U00020bb7\u91ce\u5bb6 DN80"), make_line("赤杨河", y=300)),)
    ),
    "turned": Document(
        (
            make_page(
                make_line("RIVER ALDER", x=100, y=400, angle=20),
                make_line("upwards 7", x=50, y=650, angle=90),
                make_line("竖排 文字", x=850, y=100, angle=-90),
                make_line("upside down", x=500, y=600, angle=180),
                make_line("FERRY WAY", x=500, y=150, angle=-40),
            ),
        )
    ),
    "empty": Document((make_page(coverage=Coverage(1, blank=1)),)),
    "awkward": Document(
        (
            make_page(
                make_line("<b>A&B</b> \"q\" 'r' ]]> --> &amp;"),
                make_line("bell\x07 nul\x00 escape\x1b \ufffe end", y=120),
                make_line("= + - # 1. *x* _y_ `z` [a](b) | ~~c~~ $d$ \\", y=200),
                make_line("# 1) no heading", y=260),
                make_line("2024. no list", y=400),
            ),
        )
    ),
    "partial": Document(
        (make_page(make_line("what was read"), coverage=Coverage(4, read=3, fraction_read=0.9, gaps=(_GAP,))),)
    ),
    "several": Document(
        (
            make_page(make_line("one")),
            make_page(make_line("zwei & drei"), size=Size(300, 200)),
            make_page(make_line("四", x=10)),
        )
    ),
}


def draw_outlines(page: Page) -> Image.Image:
    """Draw the outlines of the page's lines."""
    image = Image.new("L", (page.size.width, page.size.height), 255)
    for line in page.lines:
        ImageDraw.Draw(image).polygon(list(line.quad.points), outline=0)
    return image


def save_image(document: Document, path: Path) -> Path:
    """Write the document's image: a TIFF of as many pages, or whatever one page may be."""
    first, *others = (draw_outlines(page) for page in document.pages)
    if others:
        first.save(path, save_all=True, append_images=others)
    else:
        first.save(path)
    return path


def draw_origin(document: Document, folder: Path) -> SourceInfo:
    """Give the origin of a document, whose image is drawn in the folder."""
    path = save_image(document, folder / ("sheet.tif" if len(document.pages) > 1 else "sheet.png"))
    return make_origin(path, document)


def make_origin(path: Path, document: Document) -> SourceInfo:
    overview: Callable[[int], bytes] = partial(_encode_overview, document)
    return SourceInfo(
        path.name,
        lambda: path,
        overview,
        ImageTileCutter(lambda: path, limits={}),
        base_url=BASE_URL,
        stem="sheet",
    )


def _encode_overview(document: Document, number: int) -> bytes:
    shrunk = io.BytesIO()
    draw_outlines(document.pages[number]).reduce(2).save(shrunk, "PNG")
    return shrunk.getvalue()


def write_format(name: str, document: Document, origin: SourceInfo) -> bytes:
    """Give what the format writes."""
    file = io.BytesIO()
    FORMATS[name].write(document, file, source=origin)
    return file.getvalue()
