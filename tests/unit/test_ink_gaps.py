import numpy as np
import pytest
from numpy.typing import NDArray

from ocrfarm.recognize.ink_gaps import find_ink_columns, widest_gap


def draw_image(paper: int, ink: int, noise: int = 0) -> NDArray[np.uint8]:
    """Two strokes of 6 pixels, 20 pixels apart."""
    grey = np.full((48, 64), paper, np.int64)
    grey[10:38, 10:16] = grey[10:38, 36:42] = ink
    grey += np.random.default_rng(1).integers(-noise, noise + 1, grey.shape)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize(("paper", "ink", "noise"), [(255, 0, 0), (240, 60, 12), (0, 255, 0), (200, 150, 4)])
def test_strokes_are_ink_on_any_paper(paper: int, ink: int, noise: int) -> None:
    found = find_ink_columns(draw_image(paper, ink, noise))
    assert np.flatnonzero(found).tolist() == [*range(10, 16), *range(36, 42)]
    assert widest_gap(found, start=13, end=39) == 20


def test_a_speck_is_no_ink() -> None:
    image = draw_image(255, 0)
    image[24, 25] = 0
    assert widest_gap(find_ink_columns(image), start=13, end=39) == 20


def test_a_stroke_of_the_line_above_is_no_ink() -> None:
    image = draw_image(255, 0)
    image[:3, 20:30] = 0
    assert widest_gap(find_ink_columns(image), start=13, end=39) == 20


@pytest.mark.parametrize(
    ("start", "end", "white"), [(10, 16, 0), (0, 10, 10), (60, 80, 4), (70, 80, 0), (13.5, 20.2, 5)]
)
def test_gaps_are_searched_between_two_places(start: float, end: float, white: int) -> None:
    assert widest_gap(find_ink_columns(draw_image(255, 0)), start=start, end=end) == white
