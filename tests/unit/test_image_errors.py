"""Bad input: one line that says what, where and what to do; and never pixels that are not in the file."""

import logging
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrfarm.errors import DamagedImage, ImageNotFound, InputError, TooLarge, UnidentifiedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, open_source
from ocrfarm.selection import Selection, parse_page_ranges
from tests.support.image_files import (
    FORMATS,
    Array,
    encode,
    encode_with_pillow,
    make_noise,
    png_with_claimed_size,
    tiff_directory,
    tiff_with_directory_first,
    write_file,
)
from tests.support.pdf_files import make_pdf


def read(path: Path) -> Array:
    raster = open_source(path).page(0)
    [(_, pixels)] = raster.cut([Box(0, 0, raster.size.width, raster.size.height)])
    return pixels


def assert_helpful(error: InputError, path: Path) -> None:
    message = str(error)
    assert str(path) in message
    assert "\n" not in message
    assert ";" in message or "," in message, "what to do stands after what is wrong"


_STRANGE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": (b"Dear sir or madam,\n" * 20, "no format"),
    "one byte": (b"\x89", "no format"),
    "zip": (b"PK\x03\x04" + bytes(100), "no format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "no format"),
    "sound": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no format"),
}


@pytest.mark.parametrize("kind", _STRANGE)
def test_a_file_that_is_no_image_is_refused(kind: str, tmp_path: Path) -> None:
    data, reason = _STRANGE[kind]
    path = write_file(tmp_path, "png", data)
    with pytest.raises(UnidentifiedImage, match=reason) as caught:
        open_source(path)
    assert_helpful(caught.value, path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match="no such file") as missing:
        open_source(tmp_path / "gone.png")
    assert_helpful(missing.value, tmp_path)
    with pytest.raises(UnidentifiedImage, match="folder") as folder:
        open_source(tmp_path)
    assert_helpful(folder.value, tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    (tmp_path / "link.png").symlink_to(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        for path in (pipe, tmp_path / "link.png", tmp_path / "socket.png", Path("/dev/zero")):
            with pytest.raises(UnidentifiedImage, match="a pipe, a socket or a device; save") as caught:
                open_source(path)
            assert_helpful(caught.value, path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_gives_the_whole_image_or_an_error(kind: str, tmp_path: Path) -> None:
    data = encode(np.kron(make_noise(23, 17), np.ones((9, 8, 1), np.uint8)), kind)
    whole = read(write_file(tmp_path, kind, data))
    lengths = {1, 4, 8, 12, 16, 20, 30, 60, len(data) - 4, len(data) - 1, *(len(data) * n // 16 for n in range(1, 16))}
    for length in sorted(lengths):
        path = write_file(tmp_path, kind, data[:length])
        try:
            pixels = read(path)
        except (UnidentifiedImage, DamagedImage) as error:
            assert_helpful(error, path)
        else:
            assert length > len(data) - 16, "only the mark of the end may be missing"
            assert np.array_equal(pixels, whole)


@pytest.mark.parametrize("options", [{"rows": 16}, {"rows": 1}, {"rows": 500}, {"tile": 32}, {"tile": 256}])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.98])
def test_a_truncated_tiff_with_its_directory_in_front(options: dict[str, int], share: float, tmp_path: Path) -> None:
    pixels = make_noise(300, 400, grey=True)
    data = tiff_with_directory_first(pixels, **options)
    assert np.array_equal(read(write_file(tmp_path, "tif", data)), pixels)
    with pytest.raises(DamagedImage):
        read(write_file(tmp_path, "tif", data[: int(len(data) * share)]))


@pytest.mark.parametrize("kind", ["png", "interlaced.png", "lzw.tif"])
def test_rubbish_in_the_middle(kind: str, tmp_path: Path) -> None:
    data = bytearray(encode(make_noise(200, 200), kind))
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    with pytest.raises(DamagedImage):
        read(write_file(tmp_path, kind, bytes(data)))


def test_rubbish_in_a_tile(tmp_path: Path) -> None:
    data = bytearray(tiff_with_directory_first(make_noise(300, 300, grey=True), tile=64))
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    with pytest.raises(DamagedImage):
        read(write_file(tmp_path, "tif", bytes(data)))


def test_damage_outside_the_boxes_is_found(tmp_path: Path) -> None:
    data = encode(make_noise(200, 200), "png")
    raster = open_source(write_file(tmp_path, "png", data[: len(data) * 3 // 4])).page(0)
    with pytest.raises(DamagedImage):
        list(raster.cut([Box(0, 0, 10, 10)]))


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_printed(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(make_noise(100, 100), kind)
    read(write_file(tmp_path, kind, data))
    with pytest.raises(InputError):
        read(write_file(tmp_path, kind, data[: len(data) // 2]))
    assert capfd.readouterr() == ("", "")
    logging.getLogger("pyvips").warning("what libvips says goes here")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["png", "tif", "bmp"])
def test_a_file_that_changes_after_it_was_opened(kind: str, tmp_path: Path) -> None:
    raster = open_source(write_file(tmp_path, kind, encode(make_noise(50, 50), kind))).page(0)
    write_file(tmp_path, kind, encode(make_noise(60, 40), kind))
    with pytest.raises(DamagedImage, match="its size differs"):
        list(raster.cut([Box(0, 0, 10, 10)]))


def _bmp(width: int, height: int) -> bytes:
    data = bytearray(encode(make_noise(8, 8), "bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def _jp2(width: int, height: int) -> bytes:
    data = encode(make_noise(8, 8), "jp2")
    return data.replace(struct.pack(">II", 8, 8), struct.pack(">II", width, height))


def _jpeg(width: int, height: int) -> bytes:
    return encode(make_noise(8, 9), "jpg").replace(struct.pack(">HH", 9, 8), struct.pack(">HH", height, width), 1)


def _tiff(width: int, height: int) -> bytes:
    fields = {256: [width], 257: [height], 258: [8], 259: [1], 262: [1], 273: [8], 277: [1], 278: [1], 279: [8]}
    return b"II*\x00\x08\x00\x00\x00" + tiff_directory(fields) + bytes(64)


_CLAIMING: dict[str, Callable[[int, int], bytes]] = {
    "png": png_with_claimed_size,
    "tif": _tiff,
    "bmp": _bmp,
    "jp2": _jp2,
}


@pytest.mark.parametrize("kind", _CLAIMING)
def test_a_header_that_claims_too_much(kind: str, tmp_path: Path) -> None:
    path = write_file(tmp_path, kind, _CLAIMING[kind](100_000, 100_000))
    with pytest.raises(TooLarge, match=r"10,000,000,000.*2,000,000,000.*`pixels`") as caught:
        open_source(path)
    assert_helpful(caught.value, path)


def test_a_jpeg_header_that_claims_the_most_a_jpeg_can(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=r"65,500 x 65,500.*`pixels`"):
        open_source(write_file(tmp_path, "jpg", _jpeg(65_500, 65_500)))


def test_a_bomb_that_the_limits_let_in_is_still_an_error(tmp_path: Path) -> None:
    path = write_file(tmp_path, "png", png_with_claimed_size(20_000, 20_000))
    with pytest.raises(DamagedImage):
        list(open_source(path).page(0).cut([Box(0, 0, 512, 512)]))


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        (Limits(pixels=50 * 60 - 1), "pixels"),
        (Limits(side=59), "side"),
        (Limits(bytes=100), "bytes"),
        (Limits(pages=0), "pages"),
    ],
)
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
def test_limits_name_their_setting(limits: Limits, setting: str, kind: str, tmp_path: Path) -> None:
    path = write_file(tmp_path, kind, encode(make_noise(50, 60), kind))
    with pytest.raises(TooLarge, match=f"`{setting}`") as caught:
        open_source(path, limits)
    assert_helpful(caught.value, path)
    open_source(path, Limits(pixels=50 * 60, side=60, bytes=path.stat().st_size, pages=1))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("progressive.jpg", "progressive JPEG"),
        ("interlaced.png", "interlaced PNG"),
        ("jp2", "JPEG-2000"),
        ("bmp", "BMP"),
        ("webp", "WebP"),
        ("gif", "GIF"),
        ("tiled.tif", "strip or row of tiles"),
    ],
)
def test_formats_that_must_be_held_whole_have_their_own_limit(kind: str, name: str, tmp_path: Path) -> None:
    path = write_file(tmp_path, kind, encode(make_noise(50, 60), kind))
    open_source(path, Limits(buffered_pixels=50 * 60))
    with pytest.raises(TooLarge, match=rf"{name}.*save it .*`buffered_pixels`"):
        open_source(path, Limits(buffered_pixels=50 * 32 - 1))


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "deflate.tif", "onestrip.tif"])
def test_formats_that_stream_do_not(kind: str, tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, kind, encode(make_noise(50, 200), kind)), Limits(buffered_pixels=1_700))
    assert source.page_sizes == (Size(50, 200),)


def _make_blank_pages(folder: Path, count: int, side: int) -> Path:
    """Write pages that all have the same strip."""
    strip = zlib.compress(bytes(side**2), 9)
    fields = {
        256: [side],
        257: [side],
        258: [8],
        259: [8],
        262: [1],
        273: [8],
        277: [1],
        278: [side],
        279: [len(strip)],
    }
    size, first = len(tiff_directory(fields)), 8 + len(strip)
    followers = [first + size * number for number in range(1, count)] + [0]
    pages = b"".join(tiff_directory(fields, following=following) for following in followers)
    return write_file(folder, "tif", b"II*\0" + struct.pack("<I", first) + strip + pages)


def test_many_large_pages_in_a_small_file(tmp_path: Path) -> None:
    path = _make_blank_pages(tmp_path, 30, 6_000)
    with pytest.raises(
        TooLarge, match=r"30 pages have 1,080,000,000 pixels.*select fewer pages.*`total_pixels`"
    ) as caught:
        open_source(path, Limits(total_pixels=1_000_000))
    assert_helpful(caught.value, path)
    few = Selection(parse_page_ranges("1"))
    assert len(open_source(path, selection=few).page_sizes) == 1


def test_one_huge_page_in_a_small_pdf(tmp_path: Path) -> None:
    path = write_file(tmp_path, "pdf", make_pdf(b"", box=b"[0 0 9600 9600]"))
    with pytest.raises(TooLarge, match=r"the page has 1,600,000,000 pixels.*; raise the setting `total_pixels`"):
        open_source(path)


def test_many_large_pages_in_a_small_pdf(tmp_path: Path) -> None:
    path = write_file(tmp_path, "pdf", make_pdf(b"", box=b"[0 0 2384 3370]", kids=2_000, count=2_000))
    with pytest.raises(TooLarge, match="2,000 pages have 278,"):
        open_source(path)


def test_large_frames_in_a_small_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (1_000, 1_000), (shade, 0, 0)) for shade in range(0, 80, 10)]
    data = encode_with_pillow(frames[0], format="WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(TooLarge, match="8 pages have 8,000,000 pixels"):
        open_source(write_file(tmp_path, "webp", data), Limits(total_pixels=1_000))
