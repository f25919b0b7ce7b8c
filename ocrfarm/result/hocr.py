"""Document -> hOCR 1.2: XHTML that says where each word stands, in whole pixels."""

from typing import BinaryIO

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.result.about import SYSTEM, VERSION
from ocrfarm.result.blocks import blocks
from ocrfarm.result.origin import Origin, numbered
from ocrfarm.result.places import angle, around, bounds, corners
from ocrfarm.result.words import spelt
from ocrfarm.result.xml import XmlWriter

_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
)
_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_poly"


def write_hocr(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write all pages: blocks, lines with their angle, words with bounds, outline and the confidence of their line."""
    xml = XmlWriter(file, doctype=_DOCTYPE)
    with xml.element("html", {"xmlns": "http://www.w3.org/1999/xhtml"}):
        with xml.element("head"):
            xml.leaf("title", text=origin.name or "untitled")
            xml.leaf("meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
            xml.leaf("meta", {"name": "ocr-system", "content": f"{SYSTEM} {VERSION}"})
            xml.leaf("meta", {"name": "ocr-capabilities", "content": _CAPABILITIES})
            xml.leaf("meta", {"name": "ocr-number-of-pages", "content": len(document.pages)})
        with xml.element("body"):
            for number, page in numbered(document, origin.first):
                _page(xml, page, origin.name, number - 1)


def _page(xml: XmlWriter, page: Page, name: str, number: int) -> None:
    quoted = name.replace('"', "'")
    title = f'image "{quoted}"; {_box(Box(0, 0, page.size.width, page.size.height))}; ppageno {number}'
    with xml.element("div", {"class": "ocr_page", "id": f"page_{number + 1}", "title": title}):
        for order, block in enumerate(blocks(page.lines), 1):
            title = _box(around(block, page.size))
            with (
                xml.element("div", {"class": "ocr_carea", "id": f"block_{number + 1}_{order}", "title": title}),
                xml.element("p", {"class": "ocr_par", "title": title}),
            ):
                for line in block:
                    _line(xml, line, page.size)


def _line(xml: XmlWriter, line: Line, page: Size) -> None:
    turned = f"; textangle {angle(line.quad):.2f}" if angle(line.quad) else ""
    title = f"{_place(line.quad, page)}{turned}"
    with xml.element("span", {"class": "ocr_line", "title": title}):
        for word in spelt(line):
            title = f"{_place(word.quad, page)}; x_wconf {100 * line.confidence:.0f}"
            xml.leaf("span", {"class": "ocrx_word", "title": title}, text=word.text, end="\n" if word.spaced else "")


def _place(quad: Quad, page: Size) -> str:
    points = corners(quad, page)
    outline = " ".join(f"{x} {y}" for x, y in points)
    level = points[0][1] == points[1][1] and points[0][0] == points[3][0] and points[0][0] < points[1][0]
    return _box(bounds(points)) if level else f"{_box(bounds(points))}; poly {outline}"


def _box(box: Box) -> str:
    return f"bbox {box.x0} {box.y0} {box.x1} {box.y1}"
