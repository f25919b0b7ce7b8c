"""The synthetic-pixel engine: what is planted is read back exactly, also where a tile's side cuts it."""

import io
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.recognize.engine import Engine
from ocrfarm.recognize.synthetic_engine import (
    MIN_HEIGHT,
    MODEL,
    SyntheticEngine,
    draw_synthetic_line,
    make_synthetic_page,
)
from ocrfarm.tile import Fragment

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
heights = st.integers(MIN_HEIGHT, 60)


def blank_page(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, np.uint8)


def read_fragments(pixels: NDArray[np.uint8]) -> tuple[Fragment, ...]:
    return SyntheticEngine().read(pixels).fragments


def centres(fragment: Fragment) -> list[tuple[str, float, float]]:
    """Each character and where its middle lies on the array, to a hundredth of a pixel."""
    places = []
    for char in fragment.chars:
        points = fragment.quad.segment(char.position, char.position).points
        x, y = (sum(point[axis] for point in points) / 4 for axis in (0, 1))
        places.append((char.text, round(x, 2), round(y, 2)))
    return places


def test_it_is_an_engine() -> None:
    engine: Engine = SyntheticEngine("PP-OCRv6_tiny")
    assert engine.model == "PP-OCRv6_tiny"
    assert SyntheticEngine().model == MODEL


@given(texts, heights, st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_what_is_drawn_is_read(text: str, height: int, x: int, y: int, down: bool) -> None:
    length = len(text) * (height // 2)
    pixels = blank_page(*((x + height, y + length) if down else (x + length, y + height)))
    quad = draw_synthetic_line(pixels, text, x=x, y=y, height=height, is_vertical=down)
    (fragment,) = read_fragments(pixels)
    assert (fragment.text, fragment.quad, fragment.confidence, fragment.detection) == (text, quad, 1.0, 1.0)
    assert all(char.confidence == 1.0 for char in fragment.chars)
    assert [char.position for char in fragment.chars] == pytest.approx(
        [(i + 0.5) * (height // 2) / length for i in range(len(text))]
    )


def test_quads_start_where_the_text_starts() -> None:
    pixels = blank_page(200, 200)
    assert draw_synthetic_line(pixels, "abc", x=10, y=20, height=20) == Quad((10, 20), (40, 20), (40, 40), (10, 40))
    assert draw_synthetic_line(pixels, "abc", x=100, y=50, height=20, is_vertical=True) == Quad(
        (120, 50), (120, 80), (100, 80), (100, 50)
    )


@given(texts, st.sampled_from([16, 21, 32]), st.integers(0, 300), st.integers(1, 300), st.booleans())
def test_a_cut_line_gives_its_whole_characters_where_they_are(
    text: str, height: int, start: int, length: int, down: bool
) -> None:
    cell = height // 2
    whole = len(text) * cell
    start, end = min(start, whole - 1), min(start + length, whole)
    page = blank_page(100, whole) if down else blank_page(whole, 100)
    draw_synthetic_line(page, text, x=7, y=0, height=height, is_vertical=True) if down else draw_synthetic_line(
        page, text, x=0, y=7, height=height
    )
    cut = page[start:end] if down else page[:, start:end]
    visible = [i for i in range(len(text)) if start <= i * cell and (i + 1) * cell <= end]
    fragments = read_fragments(cut)
    if not visible:
        assert fragments == ()
        return
    (fragment,) = fragments
    across = 7 + height / 2
    middles = [(i + 0.5) * cell - start for i in visible]
    assert centres(fragment) == [
        (text[i], *((across, middle) if down else (middle, across))) for i, middle in zip(visible, middles, strict=True)
    ]
    assert fragment.quad.length == end - start, "the quad reaches to the cut, over the halves of characters too"


@pytest.mark.parametrize("rows", [slice(1, None), slice(None, -1), slice(10, 20), slice(0, 10), slice(-1, None)])
def test_a_line_cut_lengthwise_gives_nothing(rows: slice) -> None:
    pixels = blank_page(200, 32)
    draw_synthetic_line(pixels, "lengthwise", x=20, y=0, height=32)
    assert read_fragments(pixels[rows]) == ()


def test_a_line_cut_lengthwise_is_not_confused_by_the_line_below() -> None:
    pixels = blank_page(200, 64)
    draw_synthetic_line(pixels, "above", x=20, y=0, height=32)
    draw_synthetic_line(pixels, "below", x=20, y=32, height=32)
    assert [fragment.text for fragment in read_fragments(pixels[1:])] == ["below"]
    assert [fragment.text for fragment in read_fragments(pixels[:-1])] == ["above"]


def test_lines_that_touch_stay_apart() -> None:
    pixels = blank_page(400, 120)
    for text, x, y in (("left", 0, 0), ("right", 40, 0), ("under", 0, 20)):
        draw_synthetic_line(pixels, text, x=x, y=y, height=20)
    assert [fragment.text for fragment in read_fragments(pixels)] == ["left", "right", "under"]


def test_a_line_that_wraps_round_the_side_is_two() -> None:
    pixels = blank_page(30, 40)
    draw_synthetic_line(pixels, "abc", x=0, y=0, height=20)
    draw_synthetic_line(pixels, "def", x=0, y=20, height=20)
    assert [fragment.text for fragment in read_fragments(np.ascontiguousarray(pixels))] == ["abc", "def"]


def test_spaces_and_rare_characters_are_characters() -> None:
    pixels = blank_page(900, 40)
    text = " a b\t\n水😀\x00\U0010ffff é "
    draw_synthetic_line(pixels, text, x=3, y=3, height=30)
    assert read_fragments(pixels)[0].text == text


@pytest.mark.parametrize(
    ("text", "x", "y", "height"),
    [("", 0, 0, 20), ("a", 0, 0, MIN_HEIGHT - 1), ("abc", 71, 0, 20), ("abc", -1, 0, 20), ("abc", 0, 81, 20)],
)
def test_what_cannot_be_drawn_is_refused(text: str, x: int, y: int, height: int) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_synthetic_line(blank_page(100, 100), text, x=x, y=y, height=height)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_read_from_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert read_fragments(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)) == ()
    assert read_fragments(rng.integers(19, 32, (300, 300, 3), dtype=np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (500, 1, 3), (64, 64)])
def test_nothing_is_read_from_nothing(shape: tuple[int, ...]) -> None:
    assert read_fragments(np.full(shape, 255, np.uint8)) == ()


def test_a_damaged_line_gives_nothing() -> None:
    pixels = blank_page(200, 32)
    draw_synthetic_line(pixels, "damaged", x=20, y=0, height=32)
    pixels[1, 22] += 1
    pixels[1:31, 22] = pixels[1, 22]
    assert read_fragments(pixels) == ()


def test_it_survives_a_lossless_file_in_grey_and_in_colour() -> None:
    page, truth = make_synthetic_page(Size(800, 600), seed=3, lines=8)
    data = io.BytesIO()
    Image.fromarray(page).save(data, "PNG")
    for mode in ("L", "RGB"):
        pixels = np.asarray(Image.open(data).convert(mode))
        assert {(fragment.text, fragment.quad) for fragment in read_fragments(pixels)} == {
            (line.text, line.quad) for line in truth
        }


@given(st.integers(0, 1000))
def test_a_synthetic_page_is_read_as_its_truth_says(seed: int) -> None:
    page, truth = make_synthetic_page(Size(900, 700), seed=seed, lines=10)
    found = read_fragments(page)
    assert {(fragment.text, fragment.quad) for fragment in found} == {(line.text, line.quad) for line in truth}
    assert len(found) == len(truth) == 10
    assert {line.model for line in truth} == {MODEL}


def test_a_synthetic_page_is_the_same_each_time_and_another_for_another_seed() -> None:
    first, again, other = (make_synthetic_page(Size(900, 700), seed=seed, lines=6) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_a_synthetic_page_has_lines_longer_than_a_tile_both_ways_and_white_areas() -> None:
    page, truth = make_synthetic_page(Size(4096, 4096), seed=1, lines=120)
    boxes = [line.quad.bounds() for line in truth]
    assert max(box.width for box in boxes) > 1024
    assert max(box.height for box in boxes) > 512
    assert (page.reshape(16, 256, 16, 256).min(axis=(1, 3)) == 255).any()


def test_synthetic_lines_keep_clear_of_one_another() -> None:
    _, truth = make_synthetic_page(Size(2000, 2000), seed=5, lines=40)
    boxes = [line.quad.bounds() for line in truth]
    for one, other in product(boxes, boxes):
        gap = 2 * min(min(one.width, one.height), min(other.width, other.height))
        grown = Box(one.x0 - gap, one.y0 - gap, one.x1 + gap, one.y1 + gap)
        assert one is other or grown.intersection(other) is None


def test_a_full_page_says_so() -> None:
    with pytest.raises(ValueError, match="no room for so many lines on 200 x 100 px"):
        make_synthetic_page(Size(200, 100), seed=0, lines=100)


def test_a_slow_engine_is_as_slow_as_it_was_told() -> None:
    before = time.perf_counter()
    SyntheticEngine(seconds_per_tile=0.05).read(blank_page(64, 64))
    assert time.perf_counter() - before >= 0.05
