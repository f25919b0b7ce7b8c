"""HEIC, the images of phones: decoded within the same limits, and what is wrong with it is said."""

import io
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ocrfarm.errors import DamagedImage, MissingPackage, TooLarge
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, open_source


def heic(path: Path, *, size: tuple[int, int] = (200, 120), orientation: int = 1) -> Path:
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    image = Image.fromarray(np.stack([x, y, np.full_like(x, 99)], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    packed = io.BytesIO()
    pillow_heif.from_pillow(image).save(packed, quality=95, exif=exif.tobytes())
    path.write_bytes(packed.getvalue())
    return path


def test_the_pixels_of_a_heic_are_read(tmp_path: Path) -> None:
    path = heic(tmp_path / "x.heic")
    raster = open_source(path).page(0)
    assert raster.size == Size(200, 120)
    ((_, pixels),) = raster.cut([Box(0, 0, 200, 120)])
    assert abs(int(pixels[60, 190, 0]) - 242) < 12
    assert abs(int(pixels[110, 100, 1]) - 235) < 12


def test_a_turned_heic_stands_upright(tmp_path: Path) -> None:
    raster = open_source(heic(tmp_path / "x.heic", orientation=6)).page(0)
    assert raster.size == Size(120, 200)
    ((_, pixels),) = raster.cut([Box(0, 0, 120, 200)])
    assert pixels[190, 60, 0] > 200 > 60 > pixels[10, 60, 0]


def test_it_has_the_limits_of_what_is_held_in_memory(tmp_path: Path) -> None:
    path = heic(tmp_path / "x.heic")
    with pytest.raises(TooLarge, match="a HEIC of 24,000 pixels"):
        open_source(path, Limits(buffered_pixels=20_000))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_a_part_of_it_is_damaged(tmp_path: Path, share: float) -> None:
    path = heic(tmp_path / "x.heic")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedImage, match="cannot be decoded"):
        list(open_source(path).page(0).cut([Box(0, 0, 9, 9)]))


def test_without_its_package_a_heic_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = heic(tmp_path / "x.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(MissingPackage, match=r"ocrfarm\[heif\]"):
        open_source(path)
