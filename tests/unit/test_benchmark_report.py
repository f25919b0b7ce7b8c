"""Reports are one file that asks for nothing else, and their figures are those that were measured."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.benchmark.html_report import Series, render_page, render_paragraph, render_plot, render_table
from ocrfarm.benchmark.load_report import percentile


class _Nesting(HTMLParser):
    """Keeps the elements that are open, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> _Nesting:
    found = _Nesting()
    found.feed(html)
    assert not found.open
    return found


numbers = st.floats(0, 1e9, allow_nan=False)


@given(st.text(), st.text(), st.lists(st.tuples(numbers, numbers)), st.booleans())
def test_whatever_it_shows_it_is_whole(title: str, cell: str, points: list[tuple[float, float]], dots: bool) -> None:
    series = [Series(cell, sorted(points), dots)]
    parts = (
        render_paragraph(cell),
        render_table((cell, "b"), [("1", cell)], best_row=0),
        render_plot(title, series, x="s", y=cell),
    )
    parsed(render_page(title, parts))


def test_it_asks_nobody_for_anything() -> None:
    html = render_page(
        "t", (render_table(("a",), [("b",)]), render_plot("p", [Series("s", [(0.0, 1.0), (1.0, 2.0)])], x="x", y="y"))
    )
    assert not re.search(r"src|href|url\(|@import|<script|//", html)


def test_text_is_shown_as_it_is() -> None:
    assert "<b>&x" in parsed(render_page("<b>&x", ())).text


@given(st.lists(st.tuples(numbers, numbers), min_size=1))
def test_every_point_is_inside_the_plot(points: list[tuple[float, float]]) -> None:
    html = render_plot("t", [Series("s", points, is_scatter=True)], x="x", y="y")
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', html)
    assert len(places) == len(points)
    assert all(63 <= float(x) <= 705 and 15 <= float(y) <= 205 for x, y in places)


@given(st.lists(numbers, min_size=1), st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) < len(values) * percent / 100


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
