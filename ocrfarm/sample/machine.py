"""The drawing of the pump set: an elevation with dimensions and part numbers, and an end view of the flange."""

import math
from collections.abc import Sequence
from itertools import pairwise

from ocrfarm.geometry import Box
from ocrfarm.sample.pen import GREY, INK, PALE, PAPER, Pen, Point

_WIDTH, _HEIGHT = 9600, 7000
"""Size of the drawing in its own units; it is scaled to the largest size that fits into its box."""


class MachineDrawing:
    """Draws in the drawing's own units, from the upper left corner of its box, y downwards.

    Line widths and font sizes are pixels on a page of 16384 x 16384 pixels.
    """

    def __init__(self, pen: Pen, box: Box) -> None:
        self.pen = pen
        self.scale = min(box.width / _WIDTH, box.height / _HEIGHT)
        self._left = box.x0 + (box.width - _WIDTH * self.scale) / 2
        self._top = box.y0 + (box.height - _HEIGHT * self.scale) / 2

    def to_pixels(self, x: float, y: float) -> Point:
        """Convert a point to page pixels.

        Args:
            x: Distance from the left, in the drawing's units.
            y: Distance from the top, in the drawing's units.
        """
        return (self._left + x * self.scale, self._top + y * self.scale)

    def line(self, *points: Point, width: float = 8, fill: int = INK) -> None:
        """Draw a line through points.

        Args:
            *points: The points (x, y) in the drawing's units.
            width: Line width.
            fill: Grey level.
        """
        self.pen.draw.line([self.to_pixels(*point) for point in points], fill, self.pen.scale_length(width))

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: int | None = None) -> None:
        """Draw a rectangle with an outline.

        Args:
            x0: Left side, in the drawing's units.
            y0: Top.
            x1: Right side.
            y1: Bottom.
            fill: Grey level of the inside. Defaults to transparent.
        """
        self.pen.draw.rectangle([self.to_pixels(x0, y0), self.to_pixels(x1, y1)], fill, INK, self.pen.scale_length(10))

    def circle(self, x: float, y: float, radius: float, *, width: float = 8, fill: int | None = None) -> None:
        """Draw a circle with an outline.

        Args:
            x: Centre, in the drawing's units.
            y: Centre.
            radius: Radius, in the drawing's units.
            width: Line width.
            fill: Grey level of the inside. Defaults to transparent.
        """
        corners = [self.to_pixels(x - radius, y - radius), self.to_pixels(x + radius, y + radius)]
        self.pen.draw.ellipse(corners, fill, INK, self.pen.scale_length(width))

    def hatch(self, x0: float, y0: float, x1: float, y1: float, *, step: float = 90) -> None:
        """Fill a rectangle with slanting lines.

        Args:
            x0: Left side, in the drawing's units.
            y0: Top.
            x1: Right side.
            y1: Bottom.
            step: Distance between two lines.
        """
        high = y1 - y0
        for k in range(int((x1 - x0 + high) / step)):
            start = x0 - high + k * step
            enter, leave = max(start, x0), min(start + high, x1)
            self.line((enter, y1 - (enter - start)), (leave, y1 - (leave - start)), width=4, fill=PALE)

    def label(self, x: float, y: float, text: str, *, size: float, anchor: str = "ms", angle: float = 0.0) -> None:
        """Write a text.

        Args:
            x: Place of the anchor, in the drawing's units.
            y: Place of the anchor.
            text: The text.
            size: Font size.
            anchor: Anchor of the text, as Pillow names it.
            angle: Degrees counterclockwise.
        """
        self.pen.add_text(self.to_pixels(x, y), text, size=self.pen.scale_font_size(size), anchor=anchor, angle=angle)

    def dimension_width(self, x0: float, x1: float, y: float, text: str) -> None:
        """Draw a horizontal dimension line with its text.

        Args:
            x0: Left end, in the drawing's units.
            x1: Right end.
            y: Height of the line.
            text: The dimension.
        """
        self.line((x0, y), (x1, y), width=4)
        for x, inward in ((x0, 60), (x1, -60)):
            self.line((x, y - 70), (x, y + 70), width=4)
            self.line((x + inward, y - 24), (x, y), (x + inward, y + 24), width=6)
        self.label((x0 + x1) / 2, y, text, size=64, anchor="mm")

    def dimension_height(self, x: float, y0: float, y1: float, text: str) -> None:
        """Draw a vertical dimension line with its text, which reads upwards.

        Args:
            x: Place of the line, in the drawing's units.
            y0: Upper end.
            y1: Lower end.
            text: The dimension.
        """
        self.line((x, y0), (x, y1), width=4)
        for y, inward in ((y0, 60), (y1, -60)):
            self.line((x - 70, y), (x + 70, y), width=4)
            self.line((x - 24, y + inward), (x, y), (x + 24, y + inward), width=6)
        self.label(x, (y0 + y1) / 2, text, size=64, anchor="mm", angle=90)


def draw_machine(pen: Pen, box: Box) -> None:
    """Draw the pump set.

    Args:
        pen: Pen of the page.
        box: Box to fill, in page pixels.
    """
    machine = MachineDrawing(pen, box)
    steps = (
        _draw_foundation,
        _draw_motor,
        _draw_pump,
        _draw_delivery,
        _draw_coupling,
        _draw_rising_main,
        _draw_flange,
        _draw_levels,
        _draw_dimensions,
        _draw_balloons,
    )
    for step in steps:
        step(machine)


def _draw_foundation(m: MachineDrawing) -> None:
    m.hatch(300, 5000, 6900, 5700, step=110)
    m.rect(300, 5000, 6900, 5700)
    m.line((0, 5700), (9600, 5700), width=12)
    for x in range(60, 9600, 120):
        m.line((x, 5700), (x - 60, 5770), width=5, fill=GREY)
    m.rect(500, 4800, 6700, 5000, PAPER)
    for x in (800, 2300, 3900, 5200, 6400):
        m.line((x, 4740), (x, 5400), (x + 60, 5460), width=10)
        m.rect(x - 50, 4740, x + 50, 4800, GREY)
    m.label(3600, 5400, "FOUNDATION BLOCK C 30/37", size=80)
    m.label(3600, 5600, "机组基础 二次灌浆层", size=76)


def _draw_motor(m: MachineDrawing) -> None:
    m.rect(3700, 3050, 6200, 4650, PAPER)
    for y in range(3150, 4600, 100):
        m.line((3700, y), (6200, y), width=5, fill=GREY)
    m.rect(6200, 3200, 6500, 4500, PAPER)
    m.rect(4500, 2650, 5300, 3050, PAPER)
    for x in (3850, 5750):
        m.rect(x, 4650, x + 350, 4800, PAPER)
    m.line((3350, 3850), (6650, 3850), width=4, fill=GREY)
    m.label(4950, 3700, "MOTOR 315 kW", size=120)
    m.label(4950, 3960, "400 V   50 Hz   1488 rpm", size=72)
    m.label(4950, 4180, "三相异步电动机", size=84)
    m.label(4900, 2880, "TERMINAL BOX", size=56)


def _draw_coupling(m: MachineDrawing) -> None:
    m.rect(3100, 3560, 3700, 4140, PAPER)
    for x in range(3160, 3700, 60):
        m.line((x, 3560), (x, 4140), width=3, fill=PALE)
    m.rect(2500, 3420, 3100, 4280, PAPER)
    m.line((2500, 3850), (3100, 3850), width=4, fill=GREY)
    m.rect(2600, 4280, 3000, 4800, PAPER)
    m.label(2800, 3640, "BEARINGS", size=60)


def _draw_pump(m: MachineDrawing) -> None:
    spiral = [
        (
            1600 + (820 + 260 * turn / 64) * math.cos(turn * math.tau / 64),
            3850 + (820 + 260 * turn / 64) * math.sin(turn * math.tau / 64),
        )
        for turn in range(65)
    ]
    m.line(*spiral, width=14)
    for radius, width in ((820, 6), (560, 10), (300, 8), (110, 12)):
        m.circle(1600, 3850, radius, width=width)
    for turn in range(5):
        start = turn * math.tau / 5
        vane = [
            (1600 + r * math.cos(start + r / 420), 3850 + r * math.sin(start + r / 420)) for r in range(120, 560, 40)
        ]
        m.line(*vane, width=9)
    m.rect(1200, 4740, 2000, 4800, GREY)
    m.line((300, 3850), (2500, 3850), width=4, fill=GREY)
    m.label(1600, 4560, "P-101", size=110)


def _draw_delivery(m: MachineDrawing) -> None:
    for x in (2380, 2680):
        m.line((x, 3850), (x, 1250), width=12)
    for y, name in ((3050, "EXJ"), (2400, "NRV"), (1750, "GV")):
        m.rect(2280, y - 40, 2780, y, GREY)
        m.line((2380, y - 90), (2680, y - 390), (2380, y - 390), (2680, y - 90), (2380, y - 90), width=9)
        m.rect(2280, y - 440, 2780, y - 400, GREY)
        m.label(2860, y - 200, f"{name}-10{(3100 - y) // 650 + 1}", size=72, anchor="ls")
    m.line((2380, 1850), (2010, 1850), width=8)
    m.circle(1880, 1850, 130, width=10)
    m.label(1880, 1850, "PI", size=84, anchor="mm")


def _draw_rising_main(m: MachineDrawing) -> None:
    """Draw the pipe that leaves at an odd angle, with its name along it."""
    rise = math.tan(math.radians(7.3))
    for x, y in ((2380, 900), (2680, 1250)):
        m.line((x, 1250), (2680, y), (8200, y - 5520 * rise), width=12)
    m.line((8200, 900 - 5520 * rise), (8240, 1075 - 5520 * rise), (8200, 1250 - 5520 * rise), width=6)
    names = (
        (5400, 1075, "RISING MAIN DN 300  PN 16  TO RESERVOIR 2", 100),
        (4700, 1420, "FALL 1:8 TO DRAIN DR-107", 60),
    )
    for x, y, text, size in (*names, (7000, 1440, "压力管道 至二号水库", 84)):
        m.label(x, y - (x - 2680) * rise, text, size=size, anchor="mm", angle=7.3)


def _draw_flange(m: MachineDrawing) -> None:
    x, y = 8150, 3000
    for radius, width in ((1150, 14), (960, 4), (700, 10), (620, 8)):
        m.circle(x, y, radius, width=width)
    for bolt in range(12):
        turn = (bolt + 0.5) * math.tau / 12
        m.circle(x + 960 * math.cos(turn), y + 960 * math.sin(turn), 75)
    m.line((x - 1350, y), (x + 1350, y), width=4, fill=GREY)
    m.line((x, y - 1350), (x, y + 1350), width=4, fill=GREY)
    for angle, tilt, text in (
        (25, 25, "12 x 30°"),
        (-40, -40, "12 x M24"),
        (155, -25, "D 410 ± 0.5"),
        (220, 40, "D 460"),
    ):
        along, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        m.line((x, y), (x + 620 * along, y - 620 * up), width=4, fill=GREY)
        m.label(x + 350 * along, y - 350 * up, text, size=60, anchor="mm", angle=tilt)
    m.label(x, 4480, "VIEW A", size=120)
    m.label(x, 4640, "Delivery flange DN 300, EN 1092-1", size=64)
    m.label(x, 4790, "出水法兰 公称直径三百", size=68)


def _draw_levels(m: MachineDrawing) -> None:
    for x, y, text in (
        (7300, 5700, "EL. +12.450"),
        (7040, 4800, "EL. +13.150"),
        (300, 1250, "EL. +18.720"),
        (300, 3850, "EL. +15.300"),
    ):
        m.line((x, y), (x + 740, y), width=5)
        m.line((x + 60, y - 90), (x + 120, y), (x + 180, y - 90), (x + 60, y - 90), width=6)
        m.label(x + 240, y - 30, text, size=72, anchor="ls")
    m.label(4800, 6900, "ELEVATION OF PUMP SET  P-101   SCALE 1:20", size=120)


def _draw_dimensions(m: MachineDrawing) -> None:
    edges = (500, 1600, 3100, 3700, 6200, 6700)
    for x in edges:
        m.line((x, 5800), (x, 6250), width=3, fill=GREY)
    for start, end in pairwise(edges):
        m.dimension_width(start, end, 6080, str((end - start) * 2 // 5 * 2))
    m.dimension_width(edges[0], edges[-1], 6420, f"{(edges[-1] - edges[0]) * 4 // 5}")
    m.dimension_height(120, 3850, 4800, "760")
    m.dimension_height(120, 4800, 5700, "720 ± 2")
    m.dimension_height(6950, 3050, 4800, "1400")
    m.dimension_height(6950, 1800, 3050, "清空高度 1000")


def _draw_balloons(m: MachineDrawing) -> None:
    """Draw part numbers in circles, each with a line to its part."""
    places: Sequence[tuple[float, float, float, float]] = (
        (900, 4400, 420, 4560), (1600, 3400, 900, 2700), (1600, 3850, 450, 3250), (2350, 4300, 2150, 5300),
        (2800, 3420, 3450, 3000), (3400, 3560, 3620, 2500), (5900, 3050, 6100, 2400), (6400, 3300, 6700, 2750),
        (6300, 4900, 6550, 5300), (2330, 2250, 1500, 2150), (2330, 1600, 1500, 900), (800, 4760, 380, 5150),
    )  # fmt: skip
    for number, (part_x, part_y, x, y) in enumerate(places, 1):
        m.line((part_x, part_y), (x, y), width=4)
        m.circle(part_x, part_y, 22, fill=INK)
        m.circle(x, y, 110, width=8, fill=PAPER)
        m.label(x, y, str(number), size=84, anchor="mm")
