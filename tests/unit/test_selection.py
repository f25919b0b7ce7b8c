"""Which part of a source is read: page ranges, regions and masks."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ocrfarm.errors import InputError, OcrfarmError, SettingsError
from ocrfarm.geometry import Box, Size
from ocrfarm.mask_file import read_mask
from ocrfarm.selection import SELECT_ALL, Mask, PageRange, Selection, parse_page_ranges, parse_region

PAGE = Size(1000, 800)


@pytest.mark.parametrize(
    ("text", "count", "numbers"),
    [
        ("", 3, [0, 1, 2]),
        ("1-3,7", 9, [0, 1, 2, 6]),
        ("1-3,7", 2, [0, 1]),
        ("2-", 4, [1, 2, 3]),
        (" 3 , 1 - 2 ", 4, [0, 1, 2]),
        ("4,4,2-4", 5, [1, 2, 3]),
    ],
)
def test_page_ranges_select_pages(text: str, count: int, numbers: list[int]) -> None:
    assert Selection(parse_page_ranges(text)).select_pages(count, source="x") == numbers


@pytest.mark.parametrize("text", ["0", "3-1", "-2", "a", "1,,2", "1;2", "1-2-3", ",", "9" * 30 + "-1"])
def test_what_is_no_page_range_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="not a range of pages"):
        parse_page_ranges(text)


def test_none_of_the_pages_is_there() -> None:
    with pytest.raises(InputError, match=r"x: has 2 pages, and none .* 3-5,7"):
        Selection(parse_page_ranges("3-5,7")).select_pages(2, source="x")


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "5,0,5,9", "0,9,5,3", "-1,0,5,5", "", "1,2,3,4,5", "0,0,1.5,2"])
def test_what_is_no_region(text: str) -> None:
    with pytest.raises(SettingsError, match="not a region"):
        parse_region(text)


def test_regions_touch_boxes() -> None:
    scope = Selection(regions=(parse_region("10,20,30,40"), parse_region("500,0,900,100")))
    assert scope.intersects(Box(29, 39, 100, 100), PAGE)
    assert not scope.intersects(Box(30, 40, 100, 100), PAGE)
    assert scope.intersects(Box(0, 0, 501, 1), PAGE)
    assert SELECT_ALL.intersects(Box(0, 0, 1, 1), PAGE)
    assert SELECT_ALL.has_whole_pages
    assert not scope.has_whole_pages


_sizes = st.builds(Size, st.integers(1, 40), st.integers(1, 40))


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    size = draw(_sizes)
    rows = st.integers(0, (1 << size.width) - 1)
    return Mask(size, tuple(draw(st.lists(rows, min_size=size.height, max_size=size.height))))


@given(masks(), _sizes, st.data())
def test_a_mask_touches_what_shares_a_pixel_with_a_wanted_cell(mask: Mask, page: Size, data: st.DataObject) -> None:
    x0, y0 = data.draw(st.integers(0, page.width - 1)), data.draw(st.integers(0, page.height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, page.width)), data.draw(st.integers(y0 + 1, page.height))
    shared = any(
        mask.rows[row] >> column & 1
        and column * page.width < x1 * mask.size.width
        and (column + 1) * page.width > x0 * mask.size.width
        and row * page.height < y1 * mask.size.height
        and (row + 1) * page.height > y0 * mask.size.height
        for row in range(mask.size.height)
        for column in range(mask.size.width)
    )
    assert mask.intersects(Box(x0, y0, x1, y1), page) == shared


@given(st.builds(
    Selection,
    st.lists(st.builds(PageRange, st.integers(1, 9), st.none() | st.integers(9, 99)), max_size=3).map(tuple),
    st.integers(0, 2400),
    st.lists(st.builds(Box, *[st.integers(0, 99)] * 4), max_size=3).map(tuple),
    st.none() | masks(),
))  # fmt: skip
def test_a_scope_comes_back(scope: Selection) -> None:
    assert Selection.from_json(scope.to_json()) == scope


def test_a_request_of_an_older_client_wants_everything() -> None:
    assert Selection.from_json({}) == SELECT_ALL


def mask_of(path: Path, image: Image.Image) -> Mask:
    image.save(path)
    return read_mask(path)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [*product(("1", "L", "RGB", "P"), ("png", "tif", "gif")), ("I;16", "png"), ("I;16", "tif")],
)
def test_white_is_wanted(tmp_path: Path, kind: str, mode: str) -> None:
    white = np.zeros((30, 40), bool)
    white[10:20, 5:9] = True
    if mode == "I;16":
        image = Image.fromarray(white.astype(np.uint16) * 65535)
    else:
        image = Image.fromarray(white.astype(np.uint8) * 255).convert(mode)
    mask = mask_of(tmp_path / f"m.{kind}", image)
    assert mask == Mask(Size(40, 30), tuple(0b1111 << 5 if 10 <= row < 20 else 0 for row in range(30)))


def test_a_large_mask_loses_no_white_pixel(tmp_path: Path) -> None:
    pixels = np.zeros((5000, 3001), np.uint8)
    pixels[4999, 3000] = pixels[0, 0] = pixels[2500, 1500] = 255
    mask = mask_of(tmp_path / "m.png", Image.fromarray(pixels))
    assert mask.size == Size(512, 512)
    page = Size(3001, 5000)
    assert [y for y in range(5000) if mask.intersects(Box(0, y, 3001, y + 1), page)][:2] == [0, 1]
    assert all(mask.intersects(Box(x, y, x + 1, y + 1), page) for x, y in ((3000, 4999), (0, 0), (1500, 2500)))
    assert not mask.intersects(Box(100, 100, 1400, 2400), page)


def test_what_is_transparent_is_not_wanted(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 255))
    assert mask_of(tmp_path / "m.png", image) == Mask(Size(4, 1), (0b10,))


@pytest.mark.parametrize("data", [b"", b"no mask", b"\x89PNG\r\n\x1a\n broken", None])
def test_what_is_no_mask(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "m.png"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError, match=r"m\.png: this mask"):
        read_mask(path)


def test_a_mask_without_white(tmp_path: Path) -> None:
    with pytest.raises(OcrfarmError, match="nothing on this mask is white"):
        mask_of(tmp_path / "m.png", Image.new("L", (9, 9), 100))
