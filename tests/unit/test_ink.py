"""The blank test: never drops print, however faint or small; knows paper in any light."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.split.ink import is_blank

Grey = NDArray[np.uint8]
SIDE = 512


def paper(level: float = 255, noise: float = 0.0, side: int = SIDE) -> Grey:
    """Flat paper with normal noise of this standard deviation, grey levels."""
    grain = np.random.default_rng(7).normal(0, noise, (side, side))
    return np.clip(np.rint(level + grain), 0, 255).astype(np.uint8)


def slope(start: float, end: float, noise: float = 0.0) -> Grey:
    """Paper that is lit from one side."""
    light = np.linspace(start, end, SIDE)[None, :] + paper(100, noise) - 100.0
    return np.clip(light, 0, 255).astype(np.uint8)


def printed(
    ground: Grey, contrast: float, size: int, text: str = "Part No. 4711", at: tuple[int, int] = (101, 203)
) -> Grey:
    """Text of a font size in px; contrast in grey levels, below 0 where the print is darker than the ground."""
    mask = Image.new("L", (ground.shape[1], ground.shape[0]), 0)
    ImageDraw.Draw(mask).text(at, text, font=ImageFont.load_default(size), fill=255)
    return np.clip(ground + contrast * (np.asarray(mask) / 255.0), 0, 255).astype(np.uint8)


def lined(ground: Grey, contrast: int, where: tuple[slice, slice]) -> Grey:
    out = ground.copy()
    out[where] = out[where].astype(int) + contrast
    return out


def in_channel(grey: Grey, channel: int) -> Grey:
    """The picture in one colour channel of a white page."""
    colour = np.full((*grey.shape, 3), 255, np.uint8)
    colour[..., channel] = grey
    return colour


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(paper(0), id="black"),
        pytest.param(paper(128), id="grey"),
        pytest.param(paper(255), id="white"),
        pytest.param(np.full((SIDE, SIDE, 3), (250, 240, 200), np.uint8), id="cream in colour"),
        pytest.param(paper(235, 1), id="quiet scanner"),
        pytest.param(paper(235, 2), id="scanner"),
        pytest.param(paper(235, 3), id="noisy scanner"),
        pytest.param(np.repeat(paper(240, 2)[..., None], 3, axis=2), id="scanner in colour"),
        pytest.param(slope(120, 240), id="gradient"),
        pytest.param(slope(250, 180, 2), id="shadow with noise"),
        pytest.param(slope(0, 250), id="steepest gradient: half a level a pixel"),
        pytest.param(paper(255)[:1, :1], id="one pixel"),
        pytest.param(paper(255)[:1], id="one row"),
        pytest.param(paper(255)[:, :1], id="one column"),
        pytest.param(paper(240, 1)[:333, :77], id="odd sides"),
    ],
)
def test_paper_is_blank(pixels: Grey) -> None:
    assert is_blank(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(printed(paper(), -255, 20), id="black print"),
        pytest.param(printed(paper(), -8, 8), id="very light grey print, 8 px"),
        pytest.param(printed(paper(), -6, 14), id="very light grey print, 14 px"),
        pytest.param(printed(paper(), -16, 8, "e"), id="one small light letter"),
        pytest.param(printed(paper(235, 1), -12, 8), id="faint 8 px on a quiet scan"),
        pytest.param(printed(paper(235, 2), -16, 8), id="faint 8 px on a scan"),
        pytest.param(printed(paper(235, 2), -10, 40), id="pencil on a scan"),
        pytest.param(printed(paper(235, 3), -24, 10), id="faint 10 px on a noisy scan"),
        pytest.param(printed(slope(250, 120), -12, 14), id="faint print in a shadow"),
        pytest.param(printed(paper(0), 255, 20), id="white on black"),
        pytest.param(printed(paper(10, 1), 16, 12), id="dark grey on black"),
        pytest.param(printed(paper(), -60, 20, ".", (300, 300)), id="one light full stop"),
        pytest.param(printed(paper(), -255, 8, "1", (504, 500)), id="cut by the corner"),
        pytest.param(printed(paper(), -9, 10, "lorem ipsum dolor sit amet " * 4 + "\n", (0, 0)), id="faint across"),
        pytest.param(lined(paper(), -6, np.s_[200:201, 100:140]), id="faint rule, 1 px"),
        pytest.param(lined(paper(235, 2), -16, np.s_[100:140, 200:201]), id="faint rule down a scan, 1 px"),
        pytest.param(lined(paper(), -255, np.s_[:, :256]), id="edge between two windows"),
        pytest.param(lined(paper(), -255, np.s_[:256, :]), id="edge between two rows of windows"),
        pytest.param(lined(paper(), -20, np.s_[:, -1:]), id="last column"),
        pytest.param(lined(paper()[:333, :77], -20, np.s_[-1:, :]), id="last row of odd sides"),
        pytest.param(in_channel(printed(paper(), -20, 12), 0), id="pale cyan"),
        pytest.param(in_channel(printed(paper(), -20, 12), 1), id="pale magenta"),
        pytest.param(in_channel(printed(paper(), -20, 12), 2), id="pale yellow"),
        pytest.param(paper(128, 12), id="pattern all over: in doubt it is read"),
    ],
)
def test_print_is_never_blank(pixels: Grey) -> None:
    assert not is_blank(pixels)


@pytest.mark.parametrize("contrast", [10, 20, 60, 200])
def test_dense_print_all_over_is_never_taken_for_paper(contrast: int) -> None:
    text = "\n".join("minimum illumination 0123456789 minimum illumination 0123456789 illumination" for _ in range(60))
    assert not is_blank(printed(paper(), -contrast, 10, text, (-4, -4)))


@pytest.mark.parametrize("shift", range(16))
def test_where_small_print_lies_makes_no_difference(shift: int) -> None:
    assert not is_blank(printed(paper(235, 1), -14, 8, at=(96 + shift, 200 + (shift * 7) % 16)))


def test_pixels_are_left_as_they_were() -> None:
    pixels = printed(paper(), -50, 12)
    before = pixels.copy()
    is_blank(pixels)
    assert np.array_equal(pixels, before)
