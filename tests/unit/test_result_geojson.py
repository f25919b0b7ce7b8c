"""GeoJSON as shapely reads it, in pixels and on the map."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Quad
from tests.support.sample_documents import DOCUMENTS, SIZE, draw_origin, make_origin, make_page, write_format

SCALE, TIEPOINT, TRANSFORMATION, KEYS, ORIENTATION = 33550, 33922, 34264, 34735, 274

BOX = Document((make_page(Line("box", Quad.from_bounds(100, 200, 300, 260), 1.0)),))


def read(document: Document, path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(write_format("geojson", document, make_origin(path, document)))
    return data


def image(path: Path, tags: Mapping[int, tuple[float, ...] | int]) -> Path:
    """Write an empty TIFF with these tags."""
    directory = ImageFileDirectory_v2()
    for tag, values in tags.items():
        directory.tagtype[tag] = 3 if tag in (KEYS, ORIENTATION) else 12
        directory[tag] = values
    Image.new("L", (SIZE.width, SIZE.height), 255).save(path, tiffinfo=directory)
    return path


def keys(**values: int) -> tuple[int, ...]:
    """Give a GeoKeyDirectory."""
    numbers = {"raster": 1025, "projected": 3072, "geographic": 2048}
    rows = sorted((numbers[name], 0, 1, value) for name, value in values.items())
    return (1, 1, 0, len(rows), *(number for row in rows for number in row))


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_shapely_reads_every_line_as_a_valid_polygon(document: Document, tmp_path: Path) -> None:
    data = write_format("geojson", document, draw_origin(document, tmp_path)).decode()
    shapes = shapely.from_geojson(data)
    features = json.loads(data)["features"]
    assert len(shapes.geoms) == len(features)
    lines = [each for each in features if each["properties"]["kind"] == "line"]
    assert [each["properties"]["text"] for each in lines] == [line.text for line in document.lines]
    gaps = [each["properties"]["reason"] for each in features if each["properties"]["kind"] == "gap"]
    assert gaps == [gap.reason for page in document.pages for gap in page.coverage.gaps]
    for shape in shapes.geoms:
        assert shape.is_valid
        assert shape.exterior.is_ccw
    for shape, line in zip(shapes.geoms, document.lines, strict=False):
        assert shape.equals_exact(shapely.Polygon(line.quad.points), 1e-6)


def test_pixels_have_no_system(tmp_path: Path) -> None:
    assert "crs" not in read(BOX, image(tmp_path / "plain.tif", {}))


@pytest.mark.parametrize("raster", [1, 2], ids=["area", "point"])
def test_scale_and_tie_point(raster: int, tmp_path: Path) -> None:
    placing = {SCALE: (0.5, 0.5, 0.0), TIEPOINT: (10.0, 20.0, 0.0, 450_000.0, 5_400_000.0, 0.0)}
    path = image(tmp_path / "map.tif", placing | {KEYS: keys(raster=raster, projected=32632)})
    data = read(BOX, path)
    assert data["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32632"
    shape = shapely.from_geojson(json.dumps(data["features"][0]["geometry"]))
    shift = 0.25 if raster == 2 else 0.0
    left, top = 450_000 + (100 - 10) * 0.5 - shift, 5_400_000 - (200 - 20) * 0.5 + shift
    assert shape.bounds == pytest.approx((left, top - 30, left + 100, top))
    assert shape.exterior.is_ccw
    assert shape.exterior.coords[0] == pytest.approx((left, top))  # where the text begins


def test_a_transformation_may_turn(tmp_path: Path) -> None:
    turn = math.radians(30)
    a, b = 2 * math.cos(turn), 2 * math.sin(turn)
    matrix = (a, b, 0.0, 7.0, b, -a, 0.0, 48.0, *[0.0] * 4, 0.0, 0.0, 0.0, 1.0)
    path = image(tmp_path / "map.tif", {TRANSFORMATION: matrix, KEYS: keys(geographic=4326)})
    data = read(BOX, path)
    assert data["crs"]["properties"]["name"] == "urn:ogc:def:crs:OGC:1.3:CRS84"
    ring = np.array(data["features"][0]["geometry"]["coordinates"][0])
    assert ring[0] == pytest.approx((a * 100 + b * 200 + 7, b * 100 - a * 200 + 48))
    assert shapely.Polygon(ring).area == pytest.approx(200 * 60 * 4)


@pytest.mark.parametrize(("kind", "world"), [("tif", "tfw"), ("png", "pgw"), ("jpg", "jpgw"), ("png", "wld")])
def test_a_world_file_tells_of_the_middle_of_the_first_pixel(kind: str, world: str, tmp_path: Path) -> None:
    path = tmp_path / f"map.{kind}"
    Image.new("L", (SIZE.width, SIZE.height), 255).save(path)
    (tmp_path / f"map.{world}").write_text("2.0\n0.0\n0.0\n-2.0\n1001.0\n4999.0\n")
    shape = shapely.from_geojson(json.dumps(read(BOX, path)["features"][0]["geometry"]))
    assert shape.bounds == pytest.approx((1000 + 200, 5000 - 520, 1000 + 600, 5000 - 400))


def test_the_tags_count_for_more_than_the_world_file(tmp_path: Path) -> None:
    path = image(tmp_path / "map.tif", {SCALE: (1.0, 1.0, 0.0), TIEPOINT: (0.0, 0.0, 0.0, 5.0, 0.0, 0.0)})
    (tmp_path / "map.tfw").write_text("2 0 0 -2 1 -1")
    shape = shapely.from_geojson(json.dumps(read(BOX, path)["features"][0]["geometry"]))
    assert shape.bounds == pytest.approx((105, -260, 305, -200))


@pytest.mark.parametrize(
    "tags",
    [
        {SCALE: (1.0, 1.0, 0.0)},
        {SCALE: (1.0, 1.0, 0.0), TIEPOINT: tuple(map(float, range(12)))},
        {SCALE: (1.0, 1.0, 0.0), TIEPOINT: (0.0, 0.0, 0.0, 5.0, 0.0, 0.0), ORIENTATION: 6},
    ],
    ids=["no tie point", "a warp", "stored turned"],
)
def test_what_does_not_tell_a_place_leaves_pixels(tags: dict[int, Any], tmp_path: Path) -> None:
    data = read(BOX, image(tmp_path / "map.tif", tags))
    assert data["features"][0]["geometry"]["coordinates"][0][2] == [300, 260]


@pytest.mark.parametrize("content", [b"II*\0\xff\xff\xff\x7f", b"II*\0", b"MM\0+\0\0\0\0", b"no image"])
def test_broken_tags_leave_pixels(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "map.tif").write_bytes(content)
    (tmp_path / "map.tfw").write_text("not a world file")
    assert "crs" not in read(BOX, tmp_path / "map.tif")
