"""One page -> PAGE XML 2019-07-15, the format of layout analysis and ground truth.

The schema is http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15/pagecontent.xsd. Coordinates are whole
pixels.
"""

from typing import BinaryIO

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Size
from ocrfarm.result.blocks import group_blocks
from ocrfarm.result.coordinates import Corners, lines_bounding_box, pixel_corners
from ocrfarm.result.generator import SOFTWARE_NAME, SOFTWARE_VERSION
from ocrfarm.result.source_info import SourceInfo
from ocrfarm.result.words import words_of
from ocrfarm.result.xml import XmlWriter

_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_ROOT = {
    "xmlns": _NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{_NAMESPACE} {_NAMESPACE}/pagecontent.xsd",
}


def write_page(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write regions in reading order, with the outline and the text of their lines and words.

    Args:
        document: The document to write, which has one page.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name and creation
            time are in the metadata.
    """
    (page,) = document.pages
    xml = XmlWriter(file)
    with xml.element("PcGts", _ROOT):
        with xml.element("Metadata"):
            xml.leaf("Creator", text=f"{SOFTWARE_NAME} {SOFTWARE_VERSION}")
            xml.leaf("Created", text=source.created_at.isoformat(timespec="seconds"))
            xml.leaf("LastChange", text=source.created_at.isoformat(timespec="seconds"))
        image = {"imageFilename": source.name, "imageWidth": page.size.width, "imageHeight": page.size.height}
        with xml.element("Page", image):
            regions = group_blocks(page.lines)
            _write_reading_order(xml, len(regions))
            for number, region in enumerate(regions, 1):
                _write_region(xml, region, page.size, f"r{number}")


def _write_reading_order(xml: XmlWriter, count: int) -> None:
    if not count:  # the schema knows no empty group
        return
    with xml.element("ReadingOrder"), xml.element("OrderedGroup", {"id": "order"}):
        for number in range(count):
            xml.leaf("RegionRefIndexed", {"index": number, "regionRef": f"r{number + 1}"})


def _write_region(xml: XmlWriter, region: list[Line], page: Size, name: str) -> None:
    box = lines_bounding_box(region, page)
    with xml.element("TextRegion", {"id": name}):
        _write_coords(xml, [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
        for number, line in enumerate(region, 1):
            _write_line(xml, line, page, f"{name}_l{number}")


def _write_line(xml: XmlWriter, line: Line, page: Size, name: str) -> None:
    with xml.element("TextLine", {"id": name}):
        points = pixel_corners(line.quad, page)
        _write_coords(xml, points)
        xml.leaf("Baseline", {"points": _format_points([points[3], points[2]])})
        for number, word in enumerate(words_of(line), 1):
            with xml.element("Word", {"id": f"{name}_w{number}"}):
                _write_coords(xml, pixel_corners(word.quad, page))
                _write_text(xml, word.text)
        _write_text(xml, line.text, {"conf": f"{line.confidence:.4f}"})


def _write_coords(xml: XmlWriter, points: Corners) -> None:
    xml.leaf("Coords", {"points": _format_points(points)})


def _format_points(points: Corners) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _write_text(xml: XmlWriter, text: str, attributes: dict[str, str] | None = None) -> None:
    with xml.element("TextEquiv", attributes):
        xml.leaf("Unicode", text=text)
