import numpy as np
import pytest
from numpy.typing import NDArray

from ocrfarm.split.text_height import MAX_OVERLAP, MIN_OVERLAP, estimate_text_height, overlap_for


def draw_text_rows(height: int, *, ground: int = 255, ink: int = 0) -> NDArray[np.uint8]:
    """Rows of upright strokes, as high as the letters, with white as high between the rows."""
    pixels = np.full((1000, 1000), ground, np.uint8)
    for top in range(20, 1000 - height, 2 * height):
        pixels[top : top + height, 10:990:9] = ink
        pixels[top : top + height, 11:990:9] = ink
    return pixels


@pytest.mark.parametrize("height", [8, 14, 30, 60, 100])
@pytest.mark.parametrize(("ground", "ink"), [(255, 0), (20, 230), (235, 150)])
def test_text_is_as_high_as_its_letters(height: int, ground: int, ink: int) -> None:
    pixels = draw_text_rows(height, ground=ground, ink=ink)
    assert estimate_text_height(pixels) == height
    assert estimate_text_height(np.repeat(pixels[:, :, None], 3, axis=2)) == height


@pytest.mark.parametrize("pixels", [np.full((500, 500), 255, np.uint8), np.full((1, 1), 0, np.uint8)])
def test_a_page_without_text_has_no_text_height(pixels: NDArray[np.uint8]) -> None:
    assert estimate_text_height(pixels) is None


def test_figures_and_titles_do_not_count() -> None:
    pixels = draw_text_rows(20)
    pixels[:600, :400] = 0
    assert estimate_text_height(pixels) == 20


@pytest.mark.parametrize("height", [None, 6, 20, 33, 60, 128])
def test_the_overlap_suits_the_print(height: int | None) -> None:
    overlap = overlap_for(height)
    assert overlap % 32 == 0
    assert MIN_OVERLAP <= overlap <= MAX_OVERLAP
    assert overlap == MAX_OVERLAP or overlap >= 4 * (height or 0)
