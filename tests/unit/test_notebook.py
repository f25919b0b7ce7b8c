"""A document in a notebook and as a data frame."""

import io
import subprocess
import sys
import types
from html.parser import HTMLParser

import pytest

from ocrfarm.document import COLUMNS, Coverage, Document, Gap, _render_page
from ocrfarm.errors import MissingPackage
from ocrfarm.geometry import Box
from tests.support.sample_documents import DOCUMENTS, draw_outlines, make_line, make_page

VOID = {"image"}


class Tags(HTMLParser):
    """Collects tags, attributes and text; tags must close in the order in which they opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert not tags.open
    return tags


@pytest.mark.parametrize("name", DOCUMENTS)
def test_html_is_static_escaped_and_asks_no_host(name: str) -> None:
    html = DOCUMENTS[name]._repr_html_()
    tags = parsed(html)
    assert {tag for tag, _ in tags.seen} <= {
        *VOID,
        *("figure", "figcaption", "svg", "polygon", "title", "details", "summary", "ol", "li", "p"),
    }
    assert not [key for _, known in tags.seen for key in known if key.startswith("on") or key in ("src", "href")]
    assert "http" not in html
    for line in DOCUMENTS[name].pages[0].lines:
        assert line.text in tags.text


def test_html_has_a_bounded_size() -> None:
    page = make_page(*[make_line("x" * 10_000, y=number) for number in range(5_000)])
    html = Document((page,))._repr_html_()
    assert len(html) < 500_000
    assert "5,000 lines" in html


def test_half_characters_and_what_is_missing_are_said() -> None:
    gap = Coverage(4, read=3, fraction_read=0.75, gaps=(Gap(Box(0, 0, 1, 1), "lost"),))
    html = Document((make_page(make_line("half \ud800"), coverage=gap),))._repr_html_()
    assert "half ?" in html.encode().decode()
    assert "partial: 75.00% was read" in html
    assert Document(())._repr_html_() == "<p>no page</p>"


def test_show_hands_the_page_over_its_image_to_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    display = types.ModuleType("IPython.display")
    monkeypatch.setattr(display, "HTML", str, raising=False)
    monkeypatch.setattr(display, "display", shown.append, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    png = io.BytesIO()
    draw_outlines(DOCUMENTS["several"].pages[1]).save(png, "PNG")
    DOCUMENTS["several"].show(1, png.getvalue())
    (html,) = shown
    (image,) = (known for tag, known in parsed(html).seen if tag == "image")
    assert str(image["href"]).startswith("data:image/png;base64,")
    assert "zwei &amp; drei" in html
    with pytest.raises(IndexError):
        DOCUMENTS["several"].show(3)


def test_an_image_of_many_bytes_is_left_out() -> None:
    assert "<image" not in _render_page(DOCUMENTS["ordinary"], 0, bytes(10_000_000))


def test_show_without_a_notebook_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(MissingPackage, match="notebook"):
        DOCUMENTS["ordinary"].show()


def test_a_data_frame_has_a_row_a_line() -> None:
    pandas = pytest.importorskip("pandas")
    frame = DOCUMENTS["several"].to_dataframe()
    assert tuple(frame.columns) == COLUMNS
    assert frame["text"].tolist() == ["one", "zwei & drei", "四"]
    assert frame["page"].tolist() == [1, 2, 3]
    assert pandas.api.types.is_float_dtype(frame["x0"])
    empty = DOCUMENTS["empty"].to_dataframe()
    assert (len(empty), tuple(empty.columns)) == (0, COLUMNS)


def test_a_data_frame_without_pandas_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackage, match=r"ocrfarm\[pandas\]"):
        DOCUMENTS["ordinary"].to_dataframe()


def test_documents_load_pandas_only_when_it_is_asked_for() -> None:
    program = "import sys, ocrfarm.document; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
