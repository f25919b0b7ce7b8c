"""The blank test: never drops print, however faint or small; knows paper in any light."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.split.blank_detection import is_blank

Grey = NDArray[np.uint8]
SIDE = 512


def make_paper(level: float = 255, noise: float = 0.0, side: int = SIDE) -> Grey:
    """Flat paper with normal noise of this standard deviation, grey levels."""
    grain = np.random.default_rng(7).normal(0, noise, (side, side))
    return np.clip(np.rint(level + grain), 0, 255).astype(np.uint8)


def make_gradient(start: float, end: float, noise: float = 0.0) -> Grey:
    """Paper that is lit from one side."""
    light = np.linspace(start, end, SIDE)[None, :] + make_paper(100, noise) - 100.0
    return np.clip(light, 0, 255).astype(np.uint8)


def draw_text(
    ground: Grey, contrast: float, size: int, text: str = "Part No. 4711", at: tuple[int, int] = (101, 203)
) -> Grey:
    """Text of a font size in px; contrast in grey levels, below 0 where the print is darker than the ground."""
    mask = Image.new("L", (ground.shape[1], ground.shape[0]), 0)
    ImageDraw.Draw(mask).text(at, text, font=ImageFont.load_default(size), fill=255)
    return np.clip(ground + contrast * (np.asarray(mask) / 255.0), 0, 255).astype(np.uint8)


def draw_line(ground: Grey, contrast: int, where: tuple[slice, slice]) -> Grey:
    out = ground.copy()
    out[where] = out[where].astype(int) + contrast
    return out


def in_channel(grey: Grey, channel: int) -> Grey:
    """The image in one colour channel of a white page."""
    colour = np.full((*grey.shape, 3), 255, np.uint8)
    colour[..., channel] = grey
    return colour


def draw_coloured(
    ground: tuple[int, int, int], change: tuple[float, float, float], size: int, noise: float = 0.0
) -> Grey:
    """Text that changes each channel of the ground by so many grey levels; each channel has noise of its own."""
    letters = draw_text(make_paper(0), 255, size) / 255.0
    grain = np.random.default_rng(7).normal(0, noise, (SIDE, SIDE, 3))
    colour = np.array(ground) + letters[..., None] * np.array(change) + grain
    pixels: Grey = np.clip(np.rint(colour), 0, 255).astype(np.uint8)
    return pixels


def luminance(red: float, green: float, blue: float) -> float:
    """As ITU-R BT.601 weighs the channels."""
    return 0.299 * red + 0.587 * green + 0.114 * blue


def reference_is_blank(pixels: Grey) -> bool:
    """Reference implementation of `is_blank`: the same definition and constants, window by window, and slow."""
    planes = pixels.reshape(*pixels.shape[:2], -1)
    return not any(reference_has_ink(planes[..., channel]) for channel in range(planes.shape[2]))


def reference_has_ink(plane: Grey) -> bool:
    whole = np.pad(plane, [(0, -side % 16) for side in plane.shape], mode="edge").astype(int)
    for image in (whole, whole.T):
        runs = image.reshape(-1, 4, image.shape[1]).sum(axis=1) / 4
        windows = [
            np.ptp(runs[top : top + 4, left : left + 16])
            for top in range(0, len(runs) - 2, 2)
            for left in range(0, runs.shape[1] - 8, 8)
        ]
        quieter = sorted(windows)[len(windows) // 4]
        if quieter > 7 or max(windows) > quieter * 1.75 + 4:
            return True
    return False


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(make_paper(0), id="black"),
        pytest.param(make_paper(128), id="grey"),
        pytest.param(make_paper(255), id="white"),
        pytest.param(np.full((SIDE, SIDE, 3), (250, 240, 200), np.uint8), id="cream in colour"),
        pytest.param(make_paper(235, 1), id="quiet scanner"),
        pytest.param(make_paper(235, 2), id="scanner"),
        pytest.param(make_paper(235, 3), id="noisy scanner"),
        pytest.param(np.repeat(make_paper(240, 2)[..., None], 3, axis=2), id="grey scan kept as colour"),
        pytest.param(draw_coloured((235, 225, 190), (0, 0, 0), 12, 2), id="scanner in colour"),
        pytest.param(make_gradient(120, 240), id="gradient"),
        pytest.param(make_gradient(250, 180, 2), id="shadow with noise"),
        pytest.param(make_gradient(0, 250), id="steepest gradient: half a level a pixel"),
        pytest.param(make_paper(255)[:1, :1], id="one pixel"),
        pytest.param(make_paper(255)[:1], id="one row"),
        pytest.param(make_paper(255)[:, :1], id="one column"),
        pytest.param(make_paper(240, 1)[:333, :77], id="odd sides"),
    ],
)
def test_paper_is_blank(pixels: Grey) -> None:
    assert is_blank(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(draw_text(make_paper(), -255, 20), id="black print"),
        pytest.param(draw_text(make_paper(), -8, 8), id="very light grey print, 8 px"),
        pytest.param(draw_text(make_paper(), -6, 14), id="very light grey print, 14 px"),
        pytest.param(draw_text(make_paper(), -16, 8, "e"), id="one small light letter"),
        pytest.param(draw_text(make_paper(235, 1), -12, 8), id="faint 8 px on a quiet scan"),
        pytest.param(draw_text(make_paper(235, 2), -16, 8), id="faint 8 px on a scan"),
        pytest.param(draw_text(make_paper(235, 2), -10, 40), id="pencil on a scan"),
        pytest.param(draw_text(make_paper(235, 3), -24, 10), id="faint 10 px on a noisy scan"),
        pytest.param(draw_text(make_gradient(250, 120), -12, 14), id="faint print in a shadow"),
        pytest.param(draw_text(make_paper(0), 255, 20), id="white on black"),
        pytest.param(draw_text(make_paper(10, 1), 16, 12), id="dark grey on black"),
        pytest.param(draw_text(make_paper(), -60, 20, ".", (300, 300)), id="one light full stop"),
        pytest.param(draw_text(make_paper(), -255, 8, "1", (504, 500)), id="cut by the corner"),
        pytest.param(
            draw_text(make_paper(), -9, 10, "lorem ipsum dolor sit amet " * 4 + "\n", (0, 0)), id="faint across"
        ),
        pytest.param(draw_line(make_paper(), -6, np.s_[200:201, 100:140]), id="faint rule, 1 px"),
        pytest.param(draw_line(make_paper(235, 2), -16, np.s_[100:140, 200:201]), id="faint rule down a scan, 1 px"),
        pytest.param(draw_line(make_paper(), -255, np.s_[:, :256]), id="edge between two windows"),
        pytest.param(draw_line(make_paper(), -255, np.s_[:256, :]), id="edge between two rows of windows"),
        pytest.param(draw_line(make_paper(), -20, np.s_[:, -1:]), id="last column"),
        pytest.param(draw_line(make_paper()[:333, :77], -20, np.s_[-1:, :]), id="last row of odd sides"),
        pytest.param(in_channel(draw_text(make_paper(), -20, 12), 0), id="pale cyan"),
        pytest.param(in_channel(draw_text(make_paper(), -20, 12), 1), id="pale magenta"),
        pytest.param(in_channel(draw_text(make_paper(), -20, 12), 2), id="pale yellow"),
        pytest.param(make_paper(128, 12), id="pattern all over: in doubt it is read"),
    ],
)
def test_text_is_never_blank(pixels: Grey) -> None:
    assert not is_blank(pixels)


@pytest.mark.parametrize("contrast", [10, 20, 60, 200])
def test_dense_text_all_over_is_never_taken_for_paper(contrast: int) -> None:
    text = "\n".join("minimum illumination 0123456789 minimum illumination 0123456789 illumination" for _ in range(60))
    assert not is_blank(draw_text(make_paper(), -contrast, 10, text, (-4, -4)))


@pytest.mark.parametrize("shift", range(16))
def test_where_small_text_lies_makes_no_difference(shift: int) -> None:
    assert not is_blank(draw_text(make_paper(235, 1), -14, 8, at=(96 + shift, 200 + (shift * 7) % 16)))


def test_pixels_are_left_as_they_were() -> None:
    pixels = draw_text(make_paper(), -50, 12)
    before = pixels.copy()
    is_blank(pixels)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("noise", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param((23.6, -12, 0), id="red against green"),
        pytest.param((12, 0, -31.5), id="red against blue"),
        pytest.param((0, 6.2, -32), id="green against blue"),
        pytest.param((30, -18, 14), id="all three"),
    ],
)
def test_colour_of_the_same_luminance_as_its_ground_is_seen(change: tuple[float, float, float], noise: int) -> None:
    ground = (190, 180, 170)
    assert abs(luminance(*change)) < 0.1
    assert not is_blank(draw_coloured(ground, change, 12, noise))
    assert not is_blank(draw_coloured(ground, (-change[0], -change[1], -change[2]), 12, noise))


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("contrast", [12, -12])
def test_text_in_the_channel_between_the_two_others_is_seen(channel: int, contrast: int) -> None:
    ground, change = [220, 220, 220], [0, 0, 0]
    ground[channel], ground[channel - 1], change[channel] = 150, 80, contrast
    assert not is_blank(draw_coloured((ground[0], ground[1], ground[2]), (change[0], change[1], change[2]), 12, 1))


@pytest.mark.parametrize("row", [63, 64, 126, 128, 319, 510])
def test_a_faint_rule_is_seen_wherever_the_page_is_looked_at_in_parts(row: int) -> None:
    assert not is_blank(draw_line(make_paper(), -5, np.s_[row : row + 1, 100:140]))
    assert not is_blank(draw_line(make_paper(235, 1), -5, np.s_[row:, :]))


@settings(max_examples=60, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    channels=st.sampled_from([1, 3]),
    noise=st.sampled_from([0.0, 0.5, 1.5, 3.0, 4.0]),
    contrast=st.integers(-24, 24),
    seed=st.integers(0, 9999),
)
def test_the_answer_is_that_of_the_definition(
    sides: tuple[int, int], channels: int, noise: float, contrast: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    page = 200 + rng.normal(0, noise, (*sides, channels))
    y, x = rng.integers(0, sides[0]), rng.integers(0, sides[1])
    page[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9), rng.integers(channels)] += contrast
    pixels = np.rint(page).astype(np.uint8)
    pixels = pixels if channels == 3 else pixels[..., 0]
    assert is_blank(pixels) == reference_is_blank(pixels)
