"""Tables and plots as one HTML file that loads nothing else."""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 36
"""Size of a plot and of its margins, in pixels."""

_PALETTE = ("#1f5fbf", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e")
_AXIS_STEPS = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
"""An axis ends at one of these times a power of ten, so that its quarters are short numbers."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1917; background: #fff }
body { max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #d6d3d1; padding: .25em .8em; text-align: right }
th:first-child, td:first-child { text-align: left }
tr.best td { font-weight: 600; background: #f0fdf4 }
figure { margin: 1.5em 0 } figcaption { font-weight: 600 }
svg { width: 100%; height: auto } svg text { font-size: 12px; fill: #57534e }
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve of a plot.

    Attributes:
        name: Name in the legend.
        points: Pairs (x, y) in the order of x.
        is_scatter: Draw dots instead of a line.
    """

    name: str
    points: Sequence[tuple[float, float]]
    is_scatter: bool = False


def render_page(title: str, sections: Iterable[str]) -> str:
    """Return the HTML file.

    Args:
        title: Title and first heading.
        sections: HTML of the sections, as the other functions return it.
    """
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join((f"<h1>{escape(title)}</h1>", *sections))
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def render_paragraph(text: str) -> str:
    """Return a paragraph.

    >>> render_paragraph("wait < 1 s")
    '<p>wait &lt; 1 s</p>'
    """
    return f"<p>{escape(text)}</p>"


def render_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, best_row: int | None = None) -> str:
    """Return a table.

    Args:
        header: Texts of the header.
        rows: Texts of the rows.
        best_row: Index of the row to highlight. Defaults to none.
    """
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in header)}</tr>"]
    for number, row in enumerate(rows):
        mark = ' class="best"' if number == best_row else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def render_plot(title: str, series: Sequence[Series], *, x: str, y: str) -> str:
    """Return a plot of several series over the same axes, which begin at 0.

    Args:
        title: Caption.
        series: The curves.
        x: Label of the x axis, with the unit.
        y: Label of the y axis, with the unit.
    """
    points = [point for each in series for point in each.points]
    if not points:
        return render_paragraph(f"{title}: nothing was measured.")
    right, top = (_round_up(max(point[axis] for point in points)) for axis in (0, 1))
    scale = _Scale(right, top)
    drawn = [*_render_axes(scale, x, y), *(_render_series(each, scale, number) for number, each in enumerate(series))]
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(drawn)}</svg>'
    names = "".join(
        f'<span style="color:{_series_colour(number)}">&#9632;</span> {escape(each.name)} &emsp;'
        for number, each in enumerate(series)
    )
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}<div>{names}</div></figure>"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where the axes of a plot end; both begin at 0."""

    right: float
    top: float

    def to_svg(self, x: float, y: float) -> str:
        across = _LEFT + x / self.right * (_WIDTH - _LEFT - _RIGHT)
        return f"{across:.1f},{_HEIGHT - _BOTTOM - y / self.top * (_HEIGHT - _TOP - _BOTTOM):.1f}"


def _render_axes(scale: _Scale, x: str, y: str) -> list[str]:
    drawn = []
    for part in range(5):
        level, moment = scale.top * part / 4, scale.right * part / 4
        left, right = scale.to_svg(0, level), scale.to_svg(scale.right, level)
        drawn.append(f'<polyline points="{left} {right}" fill="none" stroke="#e7e5e4"/>')
        drawn.append(_render_text(left, -6, 4, f"{level:g}", "end"))
        drawn.append(_render_text(scale.to_svg(moment, 0), 0, 16, f"{moment:g}", "middle"))
    drawn.append(_render_text(scale.to_svg(scale.right, 0), 0, 32, x, "end"))
    drawn.append(_render_text(scale.to_svg(0, scale.top), 6, -4, y, "start"))
    return drawn


def _render_text(at: str, right: int, down: int, text: str, anchor: str) -> str:
    across, below = (float(number) for number in at.split(","))
    return f'<text x="{across + right:.1f}" y="{below + down:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _render_series(series: Series, scale: _Scale, number: int) -> str:
    places = [scale.to_svg(*point) for point in series.points]
    if series.is_scatter or len(places) == 1:
        circles = (f'<circle cx="{place.replace(",", chr(34) + " cy=" + chr(34))}" r="4"/>' for place in places)
        return f'<g fill="{_series_colour(number)}">{"".join(circles)}</g>'
    return f'<polyline points="{" ".join(places)}" fill="none" stroke="{_series_colour(number)}" stroke-width="2"/>'


def _series_colour(number: int) -> str:
    return _PALETTE[number % len(_PALETTE)]


def _round_up(value: float) -> float:
    """Return the end of an axis that reaches the value.

    >>> [_round_up(value) for value in (0.7, 1.05, 37)]
    [0.8, 1.2, 40.0]
    """
    if value < sys.float_info.min:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _AXIS_STEPS if step * power >= value * (1 - 1e-9))
