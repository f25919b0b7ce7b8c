"""TIFF: which directories are pages."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from ocrfarm.errors import DamagedImage, TooLarge
from ocrfarm.geometry import Box, Size
from ocrfarm.image import ImageSource, Limits, open_source, tiff_page
from tests.support.image_files import Array, encode, encode_with_pillow, make_noise, tiff_directory, write_file

_HEAD = b"II*\x00\x08\x00\x00\x00"


def test_every_page_has_its_own_size_and_pixels(tmp_path: Path) -> None:
    rasters = [make_noise(20 + 7 * index, 90 - 5 * index, grey=bool(index % 2), seed=index) for index in range(6)]
    first, *others = [Image.fromarray(raster) for raster in rasters]
    data = encode_with_pillow(first, format="TIFF", save_all=True, append_images=others)
    source = open_source(write_file(tmp_path, "tif", data))
    assert source.page_sizes == tuple(Size(raster.shape[1], raster.shape[0]) for raster in rasters)
    for index, raster in enumerate(rasters):
        [(_, pixels)] = source.page(index).cut([Box(0, 0, raster.shape[1], raster.shape[0])])
        assert np.array_equal(pixels, raster)
    with pytest.raises(IndexError):
        source.page(6)


@pytest.mark.parametrize("big", [True, False])
def test_the_levels_of_a_pyramid_are_no_pages(big: bool, tmp_path: Path) -> None:
    pixels = make_noise(400, 300)
    image = pyvips.Image.new_from_array(pixels)
    data = image.tiffsave_buffer(tile=True, tile_width=64, tile_height=64, pyramid=True, bigtiff=big)
    source = open_source(write_file(tmp_path, "tif", data))
    assert source.page_sizes == (Size(400, 300),)
    [(_, found)] = source.page(0).cut([Box(0, 0, 400, 300)])
    assert np.array_equal(found, pixels)


def test_a_thumbnail_in_front_is_skipped(tmp_path: Path) -> None:
    small, large = make_noise(10, 10, grey=True), make_noise(40, 30, grey=True)
    plain = {258: [8], 259: [1], 262: [1], 277: [1], 278: [100]}
    first = plain | {254: [1], 256: [10], 257: [10], 273: [8], 279: [100]}
    second = plain | {254: [0], 256: [40], 257: [30], 273: [108], 279: [1200]}
    at = 8 + 100 + 1200
    one = tiff_directory(first, at=at, following=at + len(tiff_directory(first)))
    two = tiff_directory(second, at=at + len(one))
    data = b"II*\x00" + at.to_bytes(4, "little") + small.tobytes() + large.tobytes() + one + two
    source = open_source(write_file(tmp_path, "tif", data))
    assert source.page_sizes == (Size(40, 30),)
    [(_, pixels)] = source.page(0).cut([Box(0, 0, 40, 30)])
    assert np.array_equal(pixels, large)


def test_a_file_of_reduced_pages_alone_is_read(tmp_path: Path) -> None:
    data = encode_with_pillow(Image.fromarray(make_noise(9, 9)), format="TIFF", tiffinfo={254: 1})
    assert open_source(write_file(tmp_path, "tif", data)).page_sizes == (Size(9, 9),)


_SMALL = {256: [8], 257: [8]}
_BROKEN = {
    "no directory": b"II*\x00\x00\x00\x00\x00",
    "a directory behind the end": b"II*\x00\xff\xff\xff\x7f",
    "no size": _HEAD + tiff_directory({258: [8]}),
    "a width of nothing": _HEAD + tiff_directory({256: [0], 257: [8]}),
    "a circle": _HEAD + tiff_directory(_SMALL, following=8),
    "too many fields": _HEAD + b"\xff\xff" + bytes(70_000 * 12),
    "big, and behind the end": b"II+\x00\x08\x00\x00\x00" + b"\xff" * 8,
    "big-endian rubbish": b"MM\x00*" + b"\x12" * 40,
}


@pytest.mark.parametrize("kind", _BROKEN)
def test_broken_directories_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedImage, match="truncated or damaged"):
        open_source(write_file(tmp_path, "tif", _BROKEN[kind]))


def test_tiles_far_larger_than_the_page(tmp_path: Path) -> None:
    fields = _SMALL | {258: [8], 259: [8], 262: [1], 277: [1], 322: [65536], 323: [65536], 324: [8], 325: [8]}
    with pytest.raises(TooLarge, match="`buffered_pixels`"):
        open_source(write_file(tmp_path, "tif", _HEAD + tiff_directory(fields)))


def test_a_field_that_stands_twice_cannot_get_round_the_limits(tmp_path: Path) -> None:
    fields = {256: [9], 257: [8], 258: [8], 259: [1], 262: [1], 273: [8], 277: [1], 278: [8], 279: [64]}
    data = bytearray(_HEAD + tiff_directory(fields | {255: [500]}) + bytes(64))
    data[10:12] = (256).to_bytes(2, "little")  # the width again: 500 first, then 9
    path = write_file(tmp_path, "tif", bytes(data))
    with pytest.raises(DamagedImage):
        _cut_corner(path)


def _cut_corner(path: Path) -> None:
    list(open_source(path).page(0).cut([Box(0, 0, 5, 5)]))


def test_more_pages_than_allowed_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(make_noise(8, 8))] * 5
    path = write_file(
        tmp_path, "tif", encode_with_pillow(pages[0], format="TIFF", save_all=True, append_images=pages[1:])
    )
    assert len(open_source(path, Limits(pages=5)).page_sizes) == 5
    with pytest.raises(TooLarge, match="`pages`"):
        open_source(path, Limits(pages=4))


def _write_pages(path: Path, rasters: list[Array], **options: Any) -> Path:
    first, *others = [Image.fromarray(raster) for raster in rasters]
    first.save(path, format="TIFF", save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}])
@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_page_among_many_is_that_of_libvips(options: dict[str, Any], order: str, tmp_path: Path) -> None:
    rasters = [make_noise(20 + 7 * index, 90 - 5 * index, seed=index) for index in range(5)]
    if order == "MM":
        rasters = [raster[..., 0] for raster in rasters]
        path = write_file(tmp_path, "tif", _make_big_endian_pages(rasters))
    else:
        path = _write_pages(tmp_path / "x.tif", rasters, **options)
    source = open_source(path)
    for number in (3, 0, 4, 1, 2):
        expected = pyvips.Image.tiffload(str(path), page=number).numpy()
        [(_, found)] = source.page(number).cut([Box(0, 0, expected.shape[1], expected.shape[0])])
        assert np.array_equal(found, expected.reshape(found.shape))


def _make_big_endian_pages(rasters: list[Array]) -> bytes:
    data, links = bytearray(b"MM\0*\0\0\0\0"), 4
    for raster in rasters:
        height, width = raster.shape
        start = len(data)
        data += raster.tobytes()
        fields = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: start, 277: 1, 278: height, 279: raster.size}
        data[links : links + 4] = len(data).to_bytes(4, "big")
        data += struct.pack(">H", len(fields)) + b"".join(
            struct.pack(">HHII", tag, 4, 1, n) for tag, n in fields.items()
        )
        links = len(data)
        data += bytes(4)
    return bytes(data)


def test_the_work_for_a_page_does_not_grow_with_the_number_of_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes: list[int] = []
    read = tiff_page._PatchedFile.read

    def count(file: tiff_page._PatchedFile, size: int) -> bytearray:
        data = read(file, size)
        read_bytes.append(len(data))
        return data

    monkeypatch.setattr(tiff_page._PatchedFile, "read", count)
    work = {}
    for pages in (10, 200):
        source = open_source(_write_pages(tmp_path / "x.tif", [make_noise(9, 9)] * pages))
        read_bytes.clear()
        _read_page(source, pages - 1)
        work[pages] = len(read_bytes), sum(read_bytes)
    assert work[200][0] <= work[10][0] + 2
    assert work[200][1] <= 2 * work[10][1] + 10_000


def _read_page(source: ImageSource, number: int) -> None:
    list(source.page(number).cut([Box(0, 0, 5, 5)]))


def test_decoding_stops_between_strips(tmp_path: Path) -> None:
    checks: list[None] = []

    def stop_at_fifth_strip() -> None:
        checks.append(None)
        if len(checks) == 5:
            raise KeyboardInterrupt

    path = write_file(tmp_path, "tif", encode(make_noise(30, 2000), "tif"))
    with pytest.raises(KeyboardInterrupt):
        list(open_source(path, check=stop_at_fifth_strip).page(0).cut([Box(0, 0, 30, 2000)]))
    assert len(checks) == 5


def test_unknown_fields_are_no_damage(tmp_path: Path) -> None:
    pixels = make_noise(30, 30)
    data = encode_with_pillow(Image.fromarray(pixels), format="TIFF", tiffinfo={65000: "private", 270: "a scan"})
    [(_, found)] = open_source(write_file(tmp_path, "tif", data)).page(0).cut([Box(0, 0, 30, 30)])
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_has_a_page_for_each_frame(kind: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((20, 30, 3), shade, np.uint8)) for shade in (0, 120, 255)]
    data = encode_with_pillow(frames[0], format=kind, save_all=True, append_images=frames[1:])
    source = open_source(write_file(tmp_path, "bin", data))
    assert source.page_sizes == (Size(30, 20),) * 3
    for index, shade in enumerate((0, 120, 255)):
        [(_, pixels)] = source.page(index).cut([Box(0, 0, 30, 20)])
        assert np.abs(pixels.astype(int) - shade).max() <= 2


def test_one_strip_of_jpeg_is_held_whole(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(make_noise(64, 640))
    path = write_file(tmp_path, "tif", image.tiffsave_buffer(compression="jpeg", tile_height=640))
    with pytest.raises(TooLarge, match="`buffered_pixels`"):
        open_source(path, Limits(buffered_pixels=64 * 640 - 1))
    open_source(write_file(tmp_path, "tif", encode(make_noise(64, 640), "jpeg.tif")), Limits(buffered_pixels=64 * 16))
