import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.geometry import Quad
from ocrfarm.recognize.crops import BgrPixels, Chars, extract_crop, order_corners, read_lines
from ocrfarm.tile import Char

WIDE = Quad.from_bounds(10, 20, 110, 40)
TALL = Quad((40, 10), (40, 110), (20, 110), (20, 10))  # runs downwards
NARROW = Quad((30, 10), (30, 50), (10, 50), (10, 10))  # twice as tall as wide: perhaps one glyph


def image() -> BgrPixels:
    """Every pixel tells its place: blue is x, green is y."""
    y, x = np.mgrid[0:120, 0:120]
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


def chars(text: str, confidence: float) -> Chars:
    return tuple(Char(letter, (index + 0.5) / len(text), confidence) for index, letter in enumerate(text))


@given(st.permutations(WIDE.points))
def test_corners_are_ordered_from_the_top_left(points: list[tuple[float, float]]) -> None:
    assert order_corners(np.array(points)) == WIDE


def test_a_tall_box_runs_downwards() -> None:
    assert order_corners(np.array([(20, 10), (40, 10), (40, 110), (20, 110)])) == TALL


def test_a_crop_runs_in_reading_direction() -> None:
    wide, tall = extract_crop(image(), WIDE), extract_crop(image(), TALL)
    assert wide.shape == tall.shape == (20, 100, 3)
    assert wide[0, 0].tolist() == pytest.approx([10, 20, 0], abs=1)
    assert wide[-1, -1].tolist() == pytest.approx([109, 39, 0], abs=1)
    assert tall[0, 0].tolist() == pytest.approx([39, 10, 0], abs=1)
    assert tall[-1, -1].tolist() == pytest.approx([21, 109, 0], abs=2)


def test_a_crop_beyond_the_image_repeats_its_edge() -> None:
    beyond = extract_crop(image(), Quad.from_bounds(100, 100, 140, 110))
    assert beyond.shape == (10, 40, 3)
    assert beyond[0, -1].tolist() == [119, 100, 0]


@pytest.mark.parametrize(
    ("box", "readings", "text", "quad"),
    [
        (WIDE, [chars("right", 0.9)], "right", WIDE),
        (WIDE, [chars("thgir", 0.5), chars("right", 0.9)], "right", WIDE.rotate_180()),
        (WIDE, [chars("right", 0.6), chars("thgir", 0.5)], "right", WIDE),
        (TALL, [chars("dn", 0.5), chars("up", 0.9)], "up", TALL.rotate_180()),
        (
            NARROW,
            [chars("-", 0.5), chars("-", 0.4), chars("I", 0.9)],
            "I",
            Quad((10, 10), (30, 10), (30, 50), (10, 50)),
        ),
        (WIDE, [chars("6%", 0.6), chars("%9", 0.65)], "6%", WIDE),  # hardly surer: not worth a turn
        (WIDE, [(), ()], "", WIDE),
    ],
)
def test_the_surest_way_wins(box: Quad, readings: list[Chars], text: str, quad: Quad) -> None:
    left = list(readings)

    def read(crops: list[BgrPixels]) -> list[Chars]:
        return [left.pop(0) for _ in crops]

    ((found, best),) = read_lines(image(), [box], read=read)
    assert ("".join(char.text for char in best), found) == (text, quad)
    assert not left
