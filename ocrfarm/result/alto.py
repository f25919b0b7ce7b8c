"""Document -> ALTO 4.2, the XML format of libraries for OCR text.

The schema is https://www.loc.gov/standards/alto/v4/alto-4-2.xsd. Blocks, lines and words have bounds and outlines in
whole pixels; a line's BASELINE is its lower edge, and ROTATION is counted in degrees counter-clockwise.
"""

from typing import BinaryIO

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Box, Size
from ocrfarm.result.blocks import group_blocks
from ocrfarm.result.coordinates import Corners, angle_degrees, bounding_box, lines_bounding_box, pixel_corners
from ocrfarm.result.generator import SOFTWARE_NAME, SOFTWARE_VERSION
from ocrfarm.result.source_info import SourceInfo, enumerate_pages
from ocrfarm.result.words import words_of
from ocrfarm.result.xml import XmlWriter

_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_ROOT = {
    "xmlns": _NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{_NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-2.xsd",
    "SCHEMAVERSION": "4.2",
}


def write_alto(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write all pages as one ALTO file.

    WC, the confidence of a word, is that of its line, since recognizers report none for words. Lines without text are
    left out, because the schema requires a word in each line.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name becomes `fileName`.
    """
    xml = XmlWriter(file)
    with xml.element("alto", _ROOT):
        _write_description(xml, source)
        with xml.element("Layout"):
            for number, page in enumerate_pages(document, source.page_offset):
                _write_page(xml, page, f"p{number}", number)


def _write_description(xml: XmlWriter, source: SourceInfo) -> None:
    with xml.element("Description"):
        xml.leaf("MeasurementUnit", text="pixel")
        with xml.element("sourceImageInformation"):
            xml.leaf("fileName", text=source.name)
        with (
            xml.element("Processing", {"ID": "ocr"}),
            xml.element("processingSoftware"),
        ):
            xml.leaf("softwareName", text=SOFTWARE_NAME)
            xml.leaf("softwareVersion", text=SOFTWARE_VERSION)


def _write_page(xml: XmlWriter, page: Page, name: str, number: int) -> None:
    size = {"WIDTH": page.size.width, "HEIGHT": page.size.height}
    with (
        xml.element("Page", {"ID": name, "PHYSICAL_IMG_NR": number, **size}),
        xml.element("PrintSpace", {"HPOS": 0, "VPOS": 0, **size}),
    ):
        written = [line for line in page.lines if line.text.strip()]  # the schema knows no line without a word
        for order, block in enumerate(group_blocks(written), 1):
            place = _box_attributes(lines_bounding_box(block, page.size))
            turned = {"ROTATION": f"{angle_degrees(block[0].quad):.2f}"} if angle_degrees(block[0].quad) else {}
            with xml.element("TextBlock", {"ID": f"{name}_b{order}", **place, **turned}):
                for row, line in enumerate(block, 1):
                    _write_line(xml, line, page.size, f"{name}_b{order}_l{row}")


def _write_line(xml: XmlWriter, line: Line, page: Size, name: str) -> None:
    points = pixel_corners(line.quad, page)
    with xml.element(
        "TextLine",
        {"ID": name, **_box_attributes(bounding_box(points)), "BASELINE": _format_points([points[3], points[2]])},
    ):
        _write_shape(xml, points)
        for word in words_of(line):
            points = pixel_corners(word.quad, page)
            said = {"CONTENT": word.text, **_box_attributes(bounding_box(points)), "WC": f"{line.confidence:.4f}"}
            with xml.element("String", said):
                _write_shape(xml, points)
            if word.has_space_after:
                xml.leaf("SP")


def _write_shape(xml: XmlWriter, points: Corners) -> None:
    with xml.element("Shape"):
        xml.leaf("Polygon", {"POINTS": _format_points(points)})


def _format_points(points: Corners) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _box_attributes(box: Box) -> dict[str, int]:
    return {"HPOS": box.x0, "VPOS": box.y0, "WIDTH": box.width, "HEIGHT": box.height}
