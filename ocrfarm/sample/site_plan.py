"""The site plan: hills, a river, streets and buildings, with names along them at every angle."""

import math
import random
from collections.abc import Sequence

from ocrfarm.geometry import Box
from ocrfarm.sample.pen import GREY, INK, PALE, PAPER, Pen, Point
from ocrfarm.sample.texts import BUILDINGS, HAN_BUILDINGS, STREETS

_STEPS = 120
"""Points on each curve, so many that no corner is visible at full size."""


class SitePlan:
    """Draws in fractions (0 to 1) of a box, and never outside it.

    Line widths and font sizes are pixels on a page of 16384 x 16384 pixels.
    """

    def __init__(self, pen: Pen, box: Box) -> None:
        self.pen = pen
        self.box = box

    def to_pixels(self, x: float, y: float) -> Point:
        """Convert a point to page pixels.

        Args:
            x: Fraction of the box's width.
            y: Fraction of the box's height.
        """
        return (self.box.x0 + x * self.box.width, self.box.y0 + y * self.box.height)

    def line(self, points: Sequence[Point], *, width: float = 5, fill: int = GREY) -> None:
        """Draw a line through those points that are inside the box.

        Args:
            points: The points (x, y) in fractions of the box.
            width: Line width.
            fill: Grey level.
        """
        inside = [self.to_pixels(x, y) for x, y in points if 0 <= x <= 1 and 0 <= y <= 1]
        if len(inside) > 1:
            self.pen.draw.line(inside, fill, self.pen.scale_length(width))

    def label_along(self, start: Point, end: Point, *, text: str, size: float) -> None:
        """Write a name half-way between two points, in their direction, if both are inside the box.

        Args:
            start: First point, in fractions of the box.
            end: Second point.
            text: The name.
            size: Font size.
        """
        if not all(0.01 <= share <= 0.99 for share in (*start, *end)):
            return
        (x0, y0), (x1, y1) = self.to_pixels(*start), self.to_pixels(*end)
        angle = math.degrees(math.atan2(y0 - y1, x1 - x0))
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        self.pen.add_text(middle, text, size=self.pen.scale_font_size(size), anchor="mm", angle=angle)


def draw_site(pen: Pen, box: Box, *, rng: random.Random) -> None:
    """Draw the site plan.

    Args:
        pen: Pen of the page.
        box: Box to fill, in page pixels.
        rng: Decides the shapes of the hills and the heights.
    """
    site = SitePlan(pen, box)
    _draw_hill(site, rng, (0.29, 0.27), 118)
    _draw_hill(site, rng, (0.83, 0.75), 104)
    _draw_river(site)
    _draw_streets(site)
    _draw_grid(site)
    _draw_buildings(site, rng)
    _draw_north_arrow(site)
    pen.draw.rectangle([site.to_pixels(0, 0), site.to_pixels(1, 1)], None, INK, pen.scale_length(14))


def _draw_hill(site: SitePlan, rng: random.Random, centre: Point, top: int) -> None:
    """Draw contour lines; every other one is labelled with its height."""
    phase = [rng.uniform(0, math.tau) for _ in range(3)]
    for ring in range(1, 9):
        radius = 0.027 * ring
        points = [_ring_point(centre, radius, phase, step * math.tau / _STEPS) for step in range(_STEPS + 1)]
        site.line(points, width=9 if ring % 4 == 0 else 4, fill=INK if ring % 4 == 0 else GREY)
    for ring in range(2, 9, 2):
        turn = 0.5 + ring * 0.67
        start, end = (_ring_point(centre, 0.027 * ring, phase, turn + step) for step in (-0.03, 0.03))
        if start[0] > end[0]:
            start, end = end, start
        site.label_along(start, end, text=f"{top - ring * 2}.0", size=44)
    site.pen.add_text(site.to_pixels(*centre), f"+ {top}.36", size=site.pen.scale_font_size(52), anchor="mm")


def _ring_point(centre: Point, radius: float, phase: Sequence[float], turn: float) -> Point:
    wobble = 1 + sum(0.09 / k * math.sin(k * turn + phase[k - 1]) for k in (1, 2, 3))
    return (centre[0] + radius * wobble * math.cos(turn), centre[1] + radius * wobble * math.sin(turn))


def _draw_river(site: SitePlan) -> None:
    for shift in (0, 0.012, 0.098, 0.11):
        bank = [_river_point(step / _STEPS, shift) for step in range(_STEPS + 1)]
        site.line(bank, width=12 if shift in (0, 0.11) else 4, fill=INK if shift in (0, 0.11) else PALE)
    for at, text, size in ((0.2, "RIVER ALDER", 110), (0.52, "赤杨河", 120), (0.8, "FLOW 14.2 m3/s", 64)):
        site.label_along(_river_point(at - 0.05, 0.055), _river_point(at + 0.05, 0.055), text=text, size=size)


def _river_point(share: float, shift: float) -> Point:
    return (share, 0.6 - 0.28 * share + 0.045 * math.sin(share * 7) + shift)


def _draw_streets(site: SitePlan) -> None:
    ends = (
        ((0.02, 0.868), (0.62, 0.848)),
        ((0.48, 0.03), (0.97, 0.22)),
        ((0.05, 0.05), (0.05, 0.5)),
        ((0.97, 0.3), (0.72, 0.97)),
    )
    for (start, end), name in zip(ends, STREETS, strict=True):
        for shift in (-0.011, 0.011):
            sideways = (shift, 0.0) if abs(end[1] - start[1]) > abs(end[0] - start[0]) else (0.0, shift)
            site.line([(x + sideways[0], y + sideways[1]) for x, y in (start, end)], width=7, fill=INK)
        site.label_along(start, end, text=name, size=72)


def _draw_buildings(site: SitePlan, rng: random.Random) -> None:
    for index, (name, han) in enumerate(zip(BUILDINGS, HAN_BUILDINGS, strict=True)):
        x, y = 0.1 + 0.19 * (index % 3), 0.765 + 0.125 * (index // 3)
        wide, high = rng.uniform(0.1, 0.13), rng.uniform(0.055, 0.07)
        site.pen.draw.rectangle(
            [site.to_pixels(x, y), site.to_pixels(x + wide, y + high)], PAPER, INK, site.pen.scale_length(10)
        )
        site.pen.add_text(
            site.to_pixels(x + wide / 2, y + high * 0.4), name, size=site.pen.scale_font_size(52), anchor="mm"
        )
        site.pen.add_text(
            site.to_pixels(x + wide / 2, y + high * 0.75), han, size=site.pen.scale_font_size(60), anchor="mm"
        )


def _draw_grid(site: SitePlan) -> None:
    """Draw crosses at every fifth of the box, and coordinates at its edges."""
    size = site.pen.scale_font_size(40)
    for k in range(1, 5):
        for other in range(1, 5):
            x, y = k / 5, other / 5
            site.line([(x - 0.008, y), (x + 0.008, y)], width=5, fill=INK)
            site.line([(x, y - 0.008), (x, y + 0.008)], width=5, fill=INK)
        site.pen.add_text(site.to_pixels(k / 5, 0.985), f"E 412 {k * 50:03d}", size=size, anchor="mb")
        site.pen.add_text(site.to_pixels(0.985, k / 5), f"N 5 386 {900 - k * 50}", size=size, anchor="mm", angle=-90)


def _draw_north_arrow(site: SitePlan) -> None:
    """Draw the north arrow, and the scale in metres."""
    x, y = 0.62, 0.29
    site.pen.draw.polygon(
        [site.to_pixels(x, y - 0.06), site.to_pixels(x - 0.018, y + 0.03), site.to_pixels(x, y + 0.015)], INK
    )
    site.line([(x, y - 0.06), (x + 0.018, y + 0.03), (x, y + 0.015)], width=8, fill=INK)
    site.pen.add_text(site.to_pixels(x + 0.03, y - 0.02), "N", size=site.pen.scale_font_size(120), anchor="lm")
    for k in range(5):
        left, right = site.to_pixels(0.33 + 0.05 * k, 0.735), site.to_pixels(0.38 + 0.05 * k, 0.745)
        site.pen.draw.rectangle([left, right], INK if k % 2 else PAPER, INK, site.pen.scale_length(5))
        site.pen.add_text(
            site.to_pixels(0.33 + 0.05 * k, 0.73), f"{k * 25}", size=site.pen.scale_font_size(44), anchor="mb"
        )
