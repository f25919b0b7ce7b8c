import pytest

from ocrfarm.geometry import Quad
from ocrfarm.recognize.vertical_merge import merge_vertical_boxes


def down(x: float, y: float, length: float, height: float = 20) -> Quad:
    """Give the box of a line that runs down, its letters' tops to the right."""
    return Quad((x + height, y), (x + height, y + length), (x, y + length), (x, y))


@pytest.mark.parametrize("gap", [-11, 0, 6])
def test_boxes_end_to_end_are_one_line(gap: float) -> None:
    pieces = [down(50, 100, 80), down(52, 180 + gap, 200), down(49, 380 + 2 * gap, 40)]
    ((quad, score),) = merge_vertical_boxes([(pieces[1], 0.9), (pieces[2], 0.8), (pieces[0], 0.7)])
    assert (quad.p0, quad.p3, quad.p1, quad.p2) == (pieces[0].p0, pieces[0].p3, pieces[2].p1, pieces[2].p2)
    assert score == 0.7


@pytest.mark.parametrize(
    "other",
    [
        down(50, 195, 80),  # too far
        down(58, 182, 80),  # on another axis
        down(50, 182, 80, height=36),  # of another size
        Quad.from_bounds(50, 182, 130, 202),  # a level line below
    ],
)
def test_other_neighbours_are_left_alone(other: Quad) -> None:
    regions = [(down(50, 100, 80), 0.9), (other, 0.8)]
    assert sorted(merge_vertical_boxes(regions)) == sorted(regions)


def test_level_boxes_side_by_side_are_two() -> None:
    regions = [(Quad.from_bounds(0, 0, 80, 20), 0.9), (Quad.from_bounds(80, 0, 160, 20), 0.8)]
    assert merge_vertical_boxes(regions) == regions
