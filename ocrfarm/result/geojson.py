"""Document -> GeoJSON (RFC 7946): one polygon for each line of text and each area that was not read.

If the image is georeferenced, the coordinates are those of its coordinate system, which the member `crs` names (an
extension that RFC 7946 dropped and GDAL reads). Otherwise they are pixels, with y downwards.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document, Gap, Line, Page
from ocrfarm.geometry import Quad
from ocrfarm.result.georeference import PIXELS, Georeference, read_georeference
from ocrfarm.result.json import Json, encode_json, write_array
from ocrfarm.result.source_info import SourceInfo, enumerate_pages


def write_geojson(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write a FeatureCollection whose features are lines and gaps, distinguished by `kind`.

    Outer rings run counter-clockwise, as RFC 7946 requires. Only an image of one page can be georeferenced.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; `image_path` is read for
            its georeference.
    """
    placed = read_georeference(source.image_path()) if len(document.pages) == 1 else PIXELS
    head = {"type": "FeatureCollection", "name": source.name} | _crs_member(placed)
    file.write(encode_json(head)[:-1] + b',"features":')
    write_array(file, _iter_features(document, source.page_offset, placed))
    file.write(b"}\n")


def _crs_member(georeference: Georeference) -> Json:
    if georeference.epsg is None:
        return {}
    name = (
        "urn:ogc:def:crs:OGC:1.3:CRS84" if georeference.epsg == 4326 else f"urn:ogc:def:crs:EPSG::{georeference.epsg}"
    )
    return {"crs": {"type": "name", "properties": {"name": name}}}


def _iter_features(document: Document, page_offset: int, georeference: Georeference) -> Iterator[Json]:
    for number, page in enumerate_pages(document, page_offset):
        for quad, said in _iter_outlines(page):
            ring = [georeference.to_world(point) for point in quad.points]
            if _twice_signed_area(ring) < 0:
                ring = [ring[0], *ring[:0:-1]]
            geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
            yield {"type": "Feature", "geometry": geometry, "properties": {"page": number} | said}


def _iter_outlines(page: Page) -> Iterator[tuple[Quad, Json]]:
    for number, line in enumerate(page.lines, 1):
        yield line.quad, _line_properties(line) | {"line": number}
    for gap in page.coverage.gaps:
        yield _gap_quad(gap), {"kind": "gap", "reason": gap.reason}


def _line_properties(line: Line) -> Json:
    return {"kind": "line", "text": line.text, "confidence": round(line.confidence, 4), "model": line.model}


def _gap_quad(gap: Gap) -> Quad:
    return Quad.from_bounds(gap.box.x0, gap.box.y0, gap.box.x1, gap.box.y1)


def _twice_signed_area(ring: list[tuple[float, float]]) -> float:
    """Return twice the area; it is negative if the ring runs clockwise with y upwards.

    Examples:
        >>> _twice_signed_area([(0, 0), (4, 0), (4, 3), (0, 3)])
        24
    """
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))
