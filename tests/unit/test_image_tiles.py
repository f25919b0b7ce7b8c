"""Tiles as PNG, the overview, and work in threads."""

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box
from ocrfarm.image import decode_tile, encode_tile, prefetch_map, to_rgb
from ocrfarm.image.row_buffer import RowBuffer, downscale
from ocrfarm.image.spill_file import SpillFile
from tests.support.image_files import Array, encode, make_noise


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 60), height=st.integers(1, 60), grey=st.booleans())
def test_a_tile_comes_back_as_it_was(width: int, height: int, grey: bool) -> None:
    pixels = make_noise(width, height, grey=grey)
    found = decode_tile(encode_tile(pixels))
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("box", [Box(0, 0, 90, 70), Box(0, 0, 1, 1), Box(30, 40, 75, 41), Box(89, 69, 90, 70)])
def test_a_part_of_a_tile_is_decoded(box: Box, grey: bool) -> None:
    pixels = make_noise(90, 70, grey=grey)
    assert np.array_equal(decode_tile(encode_tile(pixels), box), pixels[box.y0 : box.y1, box.x0 : box.x1])


def test_grey_becomes_rgb() -> None:
    pixels = make_noise(31, 17, grey=True)
    assert np.array_equal(to_rgb(pixels), np.stack([pixels] * 3, axis=2))


def test_a_grey_tile_is_stored_grey() -> None:
    assert Image.open(BytesIO(encode_tile(make_noise(9, 9, grey=True)))).mode == "L"
    assert Image.open(BytesIO(encode_tile(make_noise(9, 9)))).mode == "RGB"


def test_a_tile_that_is_a_view_is_stored_right() -> None:
    pixels = make_noise(40, 40)[5:30, ::2]
    assert np.array_equal(decode_tile(encode_tile(pixels)), pixels)


@pytest.mark.parametrize(
    "data", [b"", b"text", encode(make_noise(20, 20), "png")[:-60], encode(make_noise(9, 9), "jpg")]
)
def test_a_damaged_tile_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedImage):
        decode_tile(data)


_FORKED = """
import os, sys
import numpy as np
from ocrfarm.image import decode_tile, encode_tile

pixels = np.zeros((300, 300), np.uint8)
before = sys.argv[1] == "parent encodes"
data = encode_tile(pixels) if before else b""
child = os.fork()
if not child:
    try:
        again = encode_tile(pixels)
    except RuntimeError:
        os._exit(3 if decode_tile(data).shape == (300, 300) else 4)
    os._exit(decode_tile(again).any() + 5)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="needs fork")
@pytest.mark.parametrize(("case", "code"), [("parent imports", 5), ("parent encodes", 3)])
def test_a_forked_child_works_or_says_why_not(case: str, code: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _FORKED, case]
    assert subprocess.run(command, timeout=60, check=False).returncode == code


@given(st.integers(1, 700), st.integers(1, 300), st.booleans(), st.sampled_from([1, 2, 8, 64]), st.data())
def test_a_shrunk_box_is_the_mean_of_blocks(
    width: int, height: int, grey: bool, factor: int, data: st.DataObject
) -> None:
    pixels = make_noise(width, height, grey=grey)
    cells = -(-width // factor), -(-height // factor)
    x0, y0 = (data.draw(st.integers(0, cell - 1)) * factor for cell in cells)
    box = Box(x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    found = streamed(pixels, factor, box)
    assert found.shape[:2] == (-(-box.y1 // factor) - y0 // factor, -(-box.x1 // factor) - x0 // factor)
    for row, col in [(0, 0), (-1, -1), (0, -1), (found.shape[0] // 2, found.shape[1] // 3)]:
        y, x = y0 + row % found.shape[0] * factor, x0 + col % found.shape[1] * factor
        block = pixels[y : y + factor, x : x + factor].reshape(-1, *pixels.shape[2:])
        assert np.abs(found[row, col] - block.mean(axis=0)).max() <= 0.5


def streamed(pixels: Array, factor: int, box: Box | None = None) -> Array:
    """Stream the pixels through a band of one box; without a box, of the whole."""
    step = max(32, factor)
    box = box or Box(0, 0, pixels.shape[1], pixels.shape[0])
    with SpillFile() as slots:
        band = RowBuffer(1 if pixels.ndim == 2 else 3, boxes=[box], factor=factor, spill=slots)
        strips = (pixels[y : y + step] for y in range(0, len(pixels), step))
        ((found, cut),) = (pair for strip in strips for pair in band.add(downscale(strip, factor)))
    assert found == box
    return cut


def test_work_ahead_keeps_order_and_few_items() -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        while drawn < 50:
            drawn += 1
            yield drawn

    for count, result in enumerate(prefetch_map(lambda item: item * item, items(), threads=3), start=1):
        assert result == count * count
        assert drawn - count <= min(3, count - 1)


def test_work_that_fails_fails_the_caller() -> None:
    def work(item: int) -> int:
        return 1 // (item - 3)

    with pytest.raises(ZeroDivisionError):
        list(prefetch_map(work, range(10)))
