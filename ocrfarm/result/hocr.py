"""Document -> hOCR 1.2: XHTML with the position of each word in whole pixels.

The specification is https://kba.github.io/hocr-spec/1.2/.
"""

from typing import BinaryIO

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.result.blocks import group_blocks
from ocrfarm.result.coordinates import angle_degrees, bounding_box, lines_bounding_box, pixel_corners
from ocrfarm.result.generator import SOFTWARE_NAME, SOFTWARE_VERSION
from ocrfarm.result.source_info import SourceInfo, enumerate_pages
from ocrfarm.result.words import words_of
from ocrfarm.result.xml import XmlWriter

_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
)
_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_poly"


def write_hocr(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write all pages with blocks, lines and words.

    Lines have an angle, and words have bounds, an outline if they are inclined, and the confidence of their line.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name becomes the title.
    """
    xml = XmlWriter(file, doctype=_DOCTYPE)
    with xml.element("html", {"xmlns": "http://www.w3.org/1999/xhtml"}):
        with xml.element("head"):
            xml.leaf("title", text=source.name or "untitled")
            xml.leaf("meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
            xml.leaf("meta", {"name": "ocr-system", "content": f"{SOFTWARE_NAME} {SOFTWARE_VERSION}"})
            xml.leaf("meta", {"name": "ocr-capabilities", "content": _CAPABILITIES})
            xml.leaf("meta", {"name": "ocr-number-of-pages", "content": len(document.pages)})
        with xml.element("body"):
            for number, page in enumerate_pages(document, source.page_offset):
                _write_page(xml, page, source.name, number - 1)


def _write_page(xml: XmlWriter, page: Page, name: str, number: int) -> None:
    quoted = name.replace('"', "'")
    title = f'image "{quoted}"; {_format_bbox(Box(0, 0, page.size.width, page.size.height))}; ppageno {number}'
    with xml.element("div", {"class": "ocr_page", "id": f"page_{number + 1}", "title": title}):
        for order, block in enumerate(group_blocks(page.lines), 1):
            title = _format_bbox(lines_bounding_box(block, page.size))
            with (
                xml.element("div", {"class": "ocr_carea", "id": f"block_{number + 1}_{order}", "title": title}),
                xml.element("p", {"class": "ocr_par", "title": title}),
            ):
                for line in block:
                    _write_line(xml, line, page.size)


def _write_line(xml: XmlWriter, line: Line, page: Size) -> None:
    turned = f"; textangle {angle_degrees(line.quad):.2f}" if angle_degrees(line.quad) else ""
    title = f"{_title_bbox(line.quad, page)}{turned}"
    with xml.element("span", {"class": "ocr_line", "title": title}):
        for word in words_of(line):
            title = f"{_title_bbox(word.quad, page)}; x_wconf {100 * line.confidence:.0f}"
            xml.leaf(
                "span", {"class": "ocrx_word", "title": title}, text=word.text, end="\n" if word.has_space_after else ""
            )


def _title_bbox(quad: Quad, page: Size) -> str:
    points = pixel_corners(quad, page)
    outline = " ".join(f"{x} {y}" for x, y in points)
    level = points[0][1] == points[1][1] and points[0][0] == points[3][0] and points[0][0] < points[1][0]
    return _format_bbox(bounding_box(points)) if level else f"{_format_bbox(bounding_box(points))}; poly {outline}"


def _format_bbox(box: Box) -> str:
    return f"bbox {box.x0} {box.y0} {box.x1} {box.y1}"
