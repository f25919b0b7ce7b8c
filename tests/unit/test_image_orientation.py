"""EXIF orientation: every code, by arithmetic and by real files."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ocrfarm.geometry import Box, Size
from ocrfarm.image import open_source
from ocrfarm.image.orientation import Orientation
from tests.support.image_files import encode_with_pillow, make_noise, write_file

_TAG = 274
_CODES = range(1, 9)


@given(code=st.integers(1, 8), width=st.integers(1, 12), height=st.integers(1, 12), data=st.data())
def test_turning_a_box_is_cutting_the_turned_page(code: int, width: int, height: int, data: st.DataObject) -> None:
    orientation, stored = Orientation.from_exif(code), make_noise(width, height, grey=True)
    page = orientation.size(Size(width, height))
    x0, y0 = data.draw(st.integers(0, page.width - 1)), data.draw(st.integers(0, page.height - 1))
    box = Box(x0, y0, data.draw(st.integers(x0 + 1, page.width)), data.draw(st.integers(y0 + 1, page.height)))
    place = orientation.stored_box(box, page)
    cut = orientation.to_upright(stored[place.y0 : place.y1, place.x0 : place.x1])
    assert np.array_equal(cut, orientation.to_upright(stored)[box.y0 : box.y1, box.x0 : box.x1])


@pytest.mark.parametrize("code", _CODES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_files_of_every_orientation(code: int, kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[_TAG] = code
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode_with_pillow(Image.fromarray(make_noise(90, 61)), format=kind, exif=exif, **options)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    raster = open_source(write_file(tmp_path, kind, data)).page(0)
    assert raster.size == Size(upright.shape[1], upright.shape[0])
    for box, pixels in raster.cut([Box(0, 0, 30, 61), Box(20, 5, 50, 60), Box(0, 0, *upright.shape[1::-1])]):
        assert np.array_equal(pixels, upright[box.y0 : box.y1, box.x0 : box.x1])
    assert np.array_equal(raster.overview(), upright)


@pytest.mark.parametrize("code", [0, 9, 77, -1])
def test_an_unknown_code_means_upright(code: int) -> None:
    assert Orientation.from_exif(code) == Orientation.from_exif(1)
