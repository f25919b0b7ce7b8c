"""Cutting gives the very pixels that a decoder gives which holds the whole image."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrfarm.geometry import Box, Size
from ocrfarm.image import Raster, open_source
from tests.support.image_files import FORMATS, LOSSLESS, Array, decode_whole, encode, make_noise, write_file


def grid(size: Size, tile: int, overlap: int) -> list[Box]:
    def starts(length: int) -> list[int]:
        count = max(1, -(-(length - overlap) // (tile - overlap)))
        return [min(index * (tile - overlap), max(0, length - tile)) for index in range(count)]

    return [
        Box(x, y, min(x + tile, size.width), min(y + tile, size.height))
        for y in starts(size.height)
        for x in starts(size.width)
    ]


def assert_same(raster: Raster, boxes: list[Box], whole: Array) -> None:
    assert raster.size == Size(whole.shape[1], whole.shape[0])
    found = list(raster.cut(boxes))
    assert sorted(box for box, _ in found) == sorted(set(boxes))
    for box, pixels in found:
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert np.array_equal(pixels, whole[box.y0 : box.y1, box.x0 : box.x1])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.mark.parametrize("kind", FORMATS)
def test_tiles_of_every_format_are_parts_of_the_image(kind: str, tmp_path: Path) -> None:
    data = encode(make_noise(211, 173), kind)
    raster = open_source(write_file(tmp_path, kind, data)).page(0)
    assert_same(raster, grid(raster.size, 64, 10), decode_whole(data))


@pytest.mark.parametrize("rows", [1, 32, 96, 173, 500])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_page_whose_beginning_was_looked_at(kind: str, rows: int, tmp_path: Path) -> None:
    data = encode(make_noise(211, 173), kind)
    source, whole = open_source(write_file(tmp_path, kind, data)), decode_whole(data)
    assert np.array_equal(source.top_rows(0, row_count=rows), whole[:rows])
    for raster in (source.page(0), source.page(0)):
        assert_same(raster, grid(raster.size, 64, 10), whole)


def test_what_was_looked_at_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(write_file(tmp_path, "png", encode(make_noise(90, 96), "png")))
    source.top_rows(0, row_count=64)
    monkeypatch.setattr(Raster, "_open", lambda _: pytest.fail("decoded from the top"))
    assert len(list(source.page(0).cut([Box(0, 0, 90, 96)]))) == 1


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("grey", [True, False])
def test_lossless_formats_give_what_was_written(kind: str, grey: bool, tmp_path: Path) -> None:
    pixels = make_noise(70, 90, grey=grey)
    raster = open_source(write_file(tmp_path, kind, encode(pixels, kind))).page(0)
    [(_, found)] = raster.cut([Box(0, 0, 70, 90)])
    expected = pixels if found.ndim == pixels.ndim else np.dstack([pixels] * 3)  # WebP has no grey
    assert np.array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    tile=st.integers(2, 90),
    share=st.floats(0, 0.9),
    kind=st.sampled_from(["png", "tif", "tiled.tif", "jpg"]),
    grey=st.booleans(),
)
def test_tiles_of_any_grid_are_parts_of_the_image(
    folder: Path, width: int, height: int, tile: int, share: float, kind: str, grey: bool
) -> None:
    data = encode(make_noise(width, height, grey=grey), kind)
    raster = open_source(write_file(folder, kind, data)).page(0)
    whole = decode_whole(data)
    assert_same(raster, grid(raster.size, tile, int(share * tile)), whole)


@st.composite
def boxes_inside(draw: st.DrawFn, size: Size) -> Box:
    x0, y0 = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
    return Box(x0, y0, draw(st.integers(x0 + 1, size.width)), draw(st.integers(y0 + 1, size.height)))


@settings(max_examples=60, deadline=None)
@given(boxes=st.lists(boxes_inside(Size(60, 150)), max_size=12))
def test_any_boxes_are_parts_of_the_image(folder: Path, boxes: list[Box]) -> None:
    pixels = make_noise(60, 150)
    raster = open_source(write_file(folder, "png", encode(pixels, "png"))).page(0)
    assert_same(raster, boxes, pixels)
    assert np.array_equal(raster.overview(), pixels)


def test_boxes_come_row_by_row(tmp_path: Path) -> None:
    raster = open_source(write_file(tmp_path, "png", encode(make_noise(100, 100), "png"))).page(0)
    boxes = grid(raster.size, 40, 10)
    assert [box for box, _ in raster.cut(boxes[::-1])] == boxes


def test_a_page_can_be_cut_again(tmp_path: Path) -> None:
    pixels = make_noise(50, 50)
    raster = open_source(write_file(tmp_path, "png", encode(pixels, "png"))).page(0)
    assert_same(raster, [Box(0, 0, 50, 50)], pixels)
    assert_same(raster, [Box(5, 5, 10, 10), Box(5, 5, 10, 10)], pixels)


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(3, 0, 2, 5), Box(-1, 0, 5, 5), Box(0, 0, 51, 5)])
def test_a_box_outside_the_page_is_refused(box: Box, tmp_path: Path) -> None:
    raster = open_source(write_file(tmp_path, "png", encode(make_noise(50, 50), "png"))).page(0)
    with pytest.raises(ValueError, match="not inside the page"):
        list(raster.cut([box]))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 60_000), (60_000, 1)])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_images_of_one_row_or_column_are_cut(width: int, height: int, kind: str, tmp_path: Path) -> None:
    data = encode(make_noise(width, height), kind)
    raster = open_source(write_file(tmp_path, kind, data)).page(0)
    assert_same(raster, grid(raster.size, 2048, 192), decode_whole(data))
    assert max(raster.overview().shape) <= 2048


def test_names_that_libvips_could_take_for_options(tmp_path: Path) -> None:
    pixels = make_noise(9, 9)
    path = tmp_path / "größe [page=3] 文字.dat"
    path.write_bytes(encode(pixels, "png"))
    assert_same(open_source(path).page(0), [Box(0, 0, 9, 9)], pixels)


def test_no_temporary_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(empty))
    monkeypatch.setenv("VIPS_DISC_THRESHOLD", "1k")
    raster = open_source(write_file(tmp_path, "png", encode(make_noise(300, 300), "png"))).page(0)
    for _ in raster.cut(grid(raster.size, 64, 8)):
        assert not any(empty.iterdir())
    assert not any(empty.iterdir())


_PEAK = """
import sys
from pathlib import Path
from ocrfarm.geometry import Box
from ocrfarm.image import encode_tile, prefetch_map, open_source

def peak():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])

raster = open_source(Path(sys.argv[1])).page(0)
boxes = [Box(x, y, x + 500, y + 500) for y in range(0, 24000, 500) for x in range(0, 3000, 500)]
before = peak()
for _ in prefetch_map(lambda item: encode_tile(item[1]), raster.cut(boxes)):
    pass
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_that_of_a_band(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    pyvips.Image.xyz(3000, 24000).bandjoin(7).cast("uchar").copy(interpretation="srgb").pngsave(
        str(path), compression=1
    )
    done = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000, "kB more than before cutting; the whole raster is 216,000"
