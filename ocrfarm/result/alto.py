"""Document -> ALTO 4.2, the XML of libraries: blocks, lines and words in whole pixels, with their outlines."""

from typing import BinaryIO

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Box, Size
from ocrfarm.result.about import SYSTEM, VERSION
from ocrfarm.result.blocks import blocks
from ocrfarm.result.origin import Origin, numbered
from ocrfarm.result.places import Corners, angle, around, bounds, corners
from ocrfarm.result.words import spelt
from ocrfarm.result.xml import XmlWriter

_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_ROOT = {
    "xmlns": _NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{_NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-2.xsd",
    "SCHEMAVERSION": "4.2",
}


def write_alto(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write all pages; WC of a word is the confidence of its line, which is all that is known."""
    xml = XmlWriter(file)
    with xml.element("alto", _ROOT):
        _description(xml, origin)
        with xml.element("Layout"):
            for number, page in numbered(document, origin.first):
                _page(xml, page, f"p{number}", number)


def _description(xml: XmlWriter, origin: Origin) -> None:
    with xml.element("Description"):
        xml.leaf("MeasurementUnit", text="pixel")
        with xml.element("sourceImageInformation"):
            xml.leaf("fileName", text=origin.name)
        with (
            xml.element("Processing", {"ID": "ocr"}),
            xml.element("processingSoftware"),
        ):
            xml.leaf("softwareName", text=SYSTEM)
            xml.leaf("softwareVersion", text=VERSION)


def _page(xml: XmlWriter, page: Page, name: str, number: int) -> None:
    size = {"WIDTH": page.size.width, "HEIGHT": page.size.height}
    with (
        xml.element("Page", {"ID": name, "PHYSICAL_IMG_NR": number, **size}),
        xml.element("PrintSpace", {"HPOS": 0, "VPOS": 0, **size}),
    ):
        written = [line for line in page.lines if line.text.strip()]  # the schema knows no line without a word
        for order, block in enumerate(blocks(written), 1):
            place = _box(around(block, page.size))
            turned = {"ROTATION": f"{angle(block[0].quad):.2f}"} if angle(block[0].quad) else {}
            with xml.element("TextBlock", {"ID": f"{name}_b{order}", **place, **turned}):
                for row, line in enumerate(block, 1):
                    _line(xml, line, page.size, f"{name}_b{order}_l{row}")


def _line(xml: XmlWriter, line: Line, page: Size, name: str) -> None:
    points = corners(line.quad, page)
    with xml.element("TextLine", {"ID": name, **_box(bounds(points)), "BASELINE": _points([points[3], points[2]])}):
        _shape(xml, points)
        for word in spelt(line):
            points = corners(word.quad, page)
            said = {"CONTENT": word.text, **_box(bounds(points)), "WC": f"{line.confidence:.4f}"}
            with xml.element("String", said):
                _shape(xml, points)
            if word.spaced:
                xml.leaf("SP")


def _shape(xml: XmlWriter, points: Corners) -> None:
    with xml.element("Shape"):
        xml.leaf("Polygon", {"POINTS": _points(points)})


def _points(points: Corners) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _box(box: Box) -> dict[str, int]:
    return {"HPOS": box.x0, "VPOS": box.y0, "WIDTH": box.width, "HEIGHT": box.height}
