"""Document -> GeoJSON: a polygon a line of text, on the map where the picture says where it lies, else in pixels."""

from collections.abc import Iterator
from typing import BinaryIO

from ocrfarm.document import Document, Gap, Line, Page
from ocrfarm.geometry import Quad
from ocrfarm.result.georeference import PIXELS, Georeference, georeference
from ocrfarm.result.json import Json, dumped, write_array
from ocrfarm.result.origin import Origin, numbered


def write_geojson(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write a FeatureCollection of lines and gaps (`kind`), outer rings counter-clockwise as RFC 7946 wants them.

    A picture of one page that is georeferenced gives coordinates of its own system, named in `crs` as GDAL does. Other
    coordinates are pixels of the page, y down.
    """
    placed = georeference(origin.picture()) if len(document.pages) == 1 else PIXELS
    head = {"type": "FeatureCollection", "name": origin.name} | _system(placed)
    file.write(dumped(head)[:-1] + b',"features":')
    write_array(file, _features(document, origin.first, placed))
    file.write(b"}\n")


def _system(placed: Georeference) -> Json:
    if placed.epsg is None:
        return {}
    name = "urn:ogc:def:crs:OGC:1.3:CRS84" if placed.epsg == 4326 else f"urn:ogc:def:crs:EPSG::{placed.epsg}"
    return {"crs": {"type": "name", "properties": {"name": name}}}


def _features(document: Document, first: int, placed: Georeference) -> Iterator[Json]:
    for number, page in numbered(document, first):
        for quad, said in _things(page):
            ring = [placed.at(point) for point in quad.points]
            if _area(ring) < 0:
                ring = [ring[0], *ring[:0:-1]]
            geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
            yield {"type": "Feature", "geometry": geometry, "properties": {"page": number} | said}


def _things(page: Page) -> Iterator[tuple[Quad, Json]]:
    for number, line in enumerate(page.lines, 1):
        yield line.quad, _said(line) | {"line": number}
    for gap in page.coverage.gaps:
        yield _outline(gap), {"kind": "gap", "reason": gap.reason}


def _said(line: Line) -> Json:
    return {"kind": "line", "text": line.text, "confidence": round(line.confidence, 4), "model": line.model}


def _outline(gap: Gap) -> Quad:
    return Quad.upright(gap.box.x0, gap.box.y0, gap.box.x1, gap.box.y1)


def _area(ring: list[tuple[float, float]]) -> float:
    """Give twice the area, below 0 where the ring runs clockwise with y up."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))
