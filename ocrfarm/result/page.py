"""One page -> PAGE XML 2019-07-15, the format of layout analysis and ground truth, in whole pixels."""

from typing import BinaryIO

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Size
from ocrfarm.result.about import SYSTEM, VERSION
from ocrfarm.result.blocks import blocks
from ocrfarm.result.origin import Origin
from ocrfarm.result.places import Corners, around, corners
from ocrfarm.result.words import spelt
from ocrfarm.result.xml import XmlWriter

_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_ROOT = {
    "xmlns": _NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{_NAMESPACE} {_NAMESPACE}/pagecontent.xsd",
}


def write_page(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write the document's only page: regions in reading order, lines and words with outline and text."""
    (page,) = document.pages
    xml = XmlWriter(file)
    with xml.element("PcGts", _ROOT):
        with xml.element("Metadata"):
            xml.leaf("Creator", text=f"{SYSTEM} {VERSION}")
            xml.leaf("Created", text=origin.written.isoformat(timespec="seconds"))
            xml.leaf("LastChange", text=origin.written.isoformat(timespec="seconds"))
        picture = {"imageFilename": origin.name, "imageWidth": page.size.width, "imageHeight": page.size.height}
        with xml.element("Page", picture):
            regions = blocks(page.lines)
            _order(xml, len(regions))
            for number, region in enumerate(regions, 1):
                _region(xml, region, page.size, f"r{number}")


def _order(xml: XmlWriter, count: int) -> None:
    if not count:  # the schema knows no empty group
        return
    with xml.element("ReadingOrder"), xml.element("OrderedGroup", {"id": "order"}):
        for number in range(count):
            xml.leaf("RegionRefIndexed", {"index": number, "regionRef": f"r{number + 1}"})


def _region(xml: XmlWriter, region: list[Line], page: Size, name: str) -> None:
    box = around(region, page)
    with xml.element("TextRegion", {"id": name}):
        _coords(xml, [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
        for number, line in enumerate(region, 1):
            _line(xml, line, page, f"{name}_l{number}")


def _line(xml: XmlWriter, line: Line, page: Size, name: str) -> None:
    with xml.element("TextLine", {"id": name}):
        points = corners(line.quad, page)
        _coords(xml, points)
        xml.leaf("Baseline", {"points": _points([points[3], points[2]])})
        for number, word in enumerate(spelt(line), 1):
            with xml.element("Word", {"id": f"{name}_w{number}"}):
                _coords(xml, corners(word.quad, page))
                _text(xml, word.text)
        _text(xml, line.text, {"conf": f"{line.confidence:.4f}"})


def _coords(xml: XmlWriter, points: Corners) -> None:
    xml.leaf("Coords", {"points": _points(points)})


def _points(points: Corners) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _text(xml: XmlWriter, text: str, attributes: dict[str, str] | None = None) -> None:
    with xml.element("TextEquiv", attributes):
        xml.leaf("Unicode", text=text)
