"""The viewer in a browser: a page is looked at, searched, selected from and copied as a person would."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By

from ocrfarm.document import Coverage, Document, Gap
from ocrfarm.geometry import Box, Size
from ocrfarm.viewer import ViewerItem, write_viewer
from ocrfarm.viewer.server import reply_with_file, serve
from tests.support.chromium import Browser, run_chromium
from tests.support.sample_documents import make_line, make_page, save_image

NASTY = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
COVERAGE = Coverage(
    4,
    read=3,
    fraction_read=0.9,
    gaps=(Gap(Box(0, 700, 400, 900), "its worker died"),),
    tiling="512 px tiles, overlap 128 px: big",
)
FIRST = make_page(
    make_line("RIVERSIDE PUMPING STATION", x=60, y=40, height=40),
    make_line("Pump house No. 7", x=60, y=140),
    make_line("Größe \uff24\uff2e\uff18\uff10", x=60, y=220),
    make_line(NASTY, x=60, y=300, height=14),
    make_line("upwards 7", x=820, y=650, angle=90),
    make_line("总说明 泵房", x=60, y=400),
    size=Size(1000, 900),
    coverage=COVERAGE,
)
SECOND = make_page(make_line("another PUMP", x=100, y=100), make_line("TOTAL 12.50", x=100, y=200), size=Size(600, 400))
DOCUMENT = Document((FIRST, SECOND))


@contextmanager
def shown(document: Document, folder: Path) -> Iterator[str]:
    image = save_image(document, folder / ("sheet.tif" if len(document.pages) > 1 else "sheet.png"))
    write_viewer([ViewerItem(image.name, document, image)], folder / "viewer", limits={})
    with serve(partial(reply_with_file, folder / "viewer")) as address:
        yield address


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shown(DOCUMENT, tmp_path_factory.mktemp("viewer")) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with run_chromium() as browser:
        browser.driver.set_window_size(1400, 900)
        yield browser


@pytest.fixture
def browser(chromium: Browser, address: str) -> Iterator[Browser]:
    chromium.open("about:blank")
    opened(chromium, address)
    yield chromium
    assert not chromium.console_errors()


def opened(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.wait_until(partial(browser.run_script, "return !!globalThis.viewer"), "the viewer")
    browser.wait_until(
        partial(browser.run_script, "return performance.getEntriesByName('image drawn').length"), "the image"
    )


def _listed(browser: Browser) -> list[str]:
    return browser.texts("#list .row .text")


def _rest(browser: Browser) -> None:
    browser.wait_until(partial(browser.run_script, "return !viewer.imageView.moving"), "rest")


def _at(browser: Browser, line: int) -> tuple[int, int]:
    """Give where the middle of a line is, from the middle of the image."""
    script = """
    const [x0, y0, x1, y1] = viewer.state.lines.bounds(arguments[0]);
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const {a, b, dx, dy} = viewer.imageView.view;
    const {clientWidth: width, clientHeight: height} = document.getElementById('image');
    return [a * x - b * y + dx - width / 2, b * x + a * y + dy - height / 2].map(Math.round);
    """
    x, y = browser.run_script(script, line)
    return int(x), int(y)


def _mouse(browser: Browser, line: int) -> ActionChains:
    stage = browser.driver.find_element(By.ID, "image")
    return ActionChains(browser.driver).move_to_element_with_offset(stage, *_at(browser, line))


def test_the_page_shows_what_was_read(browser: Browser, tmp_path: Path) -> None:
    assert _listed(browser) == [re.sub(r"\s", " ", line.text) for line in FIRST.lines]
    assert browser.driver.title.startswith("sheet.tif ")
    assert "6 lines in reading order" in browser.text
    assert _inked(browser) > 100
    assert browser.driver.save_screenshot(str(tmp_path / "page.png"))


def _inked(browser: Browser) -> int:
    """Count pixels of the image that are coloured: boxes are, the drawing is not."""
    script = """
    const canvas = viewer.imageView.osd.drawer.canvas;
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      const colour = data.subarray(at, at + 3);
      found += Math.max(...colour) - Math.min(...colour) > 20 ? 1 : 0;
    }
    return found;
    """
    return int(browser.run_script(script))


def test_nothing_is_asked_of_another_host(browser: Browser, address: str) -> None:
    names = browser.run_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(names) > 10
    assert {urlsplit(name).netloc for name in names} == {urlsplit(address).netloc}


def test_search_finds_marks_and_flies_to_the_hit(browser: Browser) -> None:
    before = browser.run_script("return viewer.imageView.view.a")
    browser.press("/", *"pumphouse")
    browser.wait_until(lambda: _listed(browser) == ["Pump house No. 7"], "the hit")
    assert browser.texts("#list mark") == ["Pump house"]
    browser.press(Keys.ENTER)
    browser.wait_until(partial(browser.run_script, "return viewer.state.values.current === 1"), "the line")
    _rest(browser)
    assert browser.run_script("return viewer.imageView.view.a") > before
    assert max(map(abs, _at(browser, 1))) < 30
    assert browser.texts("#line-text") == ["Pump house No. 7"]
    assert "1 of 1" in browser.text


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("grosse", [2]),
        ("GRÖSSE", [2]),
        ("dn80", [2]),
        ("泵房", [5]),
        ("<SCRIPT>", [3]),
        ("nothing of the kind", []),
    ],
)
def test_what_a_search_finds(browser: Browser, words: str, found: list[int]) -> None:
    browser.run_script("viewer.state.set({words: arguments[0]})", words)
    assert browser.run_script("return viewer.state.hits") == found
    assert ("no matches" in browser.text) is not bool(found)


def test_hits_on_another_page_are_found_and_turned_to(browser: Browser) -> None:
    browser.press("/", *"pump")
    browser.wait_until(lambda: len(_listed(browser)) == 3, "three hits")
    assert [text for text in browser.texts("#list .where") if "page 2" in text]
    browser.press(Keys.ENTER, Keys.ENTER, Keys.ENTER)
    browser.wait_until(lambda: browser.texts("#line-text") == ["another PUMP"], "the hit on page 2")
    assert browser.run_script("return viewer.state.values.page") == 1
    browser.wait_until(lambda: "page=2&line=1&q=pump" in browser.driver.current_url, "the address")


def test_the_address_leads_back(browser: Browser, address: str) -> None:
    browser.open("about:blank")
    opened(browser, f"{address.partition('?')[0]}#page=2&line=2")
    browser.wait_until(lambda: browser.texts("#line-text") == ["TOTAL 12.50"], "the line")
    browser.open("about:blank")
    opened(browser, f"{address.partition('?')[0]}#page=77&line=x")
    assert len(_listed(browser)) == 6, "an address that makes no sense shows the first page"


def test_a_click_looks_at_a_line_and_shift_selects(browser: Browser) -> None:
    _mouse(browser, 1).click().perform()
    browser.wait_until(lambda: browser.texts("#line-text") == ["Pump house No. 7"], "the line")
    for line in (0, 4):
        _mouse(browser, line).key_down(Keys.SHIFT).click().key_up(Keys.SHIFT).perform()
    browser.wait_until(lambda: "2 selected" in browser.text, "the selection")
    _mouse(browser, 4).key_down(Keys.SHIFT).click().key_up(Keys.SHIFT).perform()
    browser.wait_until(lambda: "1 selected" in browser.text, "the smaller selection")


def test_a_box_drawn_with_shift_selects_what_is_in_it(browser: Browser) -> None:
    (left, top), (right, bottom) = _at(browser, 1), _at(browser, 3)
    stage = browser.driver.find_element(By.ID, "image")
    drag = ActionChains(browser.driver).key_down(Keys.SHIFT)
    drag.move_to_element_with_offset(stage, left - 150, top - 12).click_and_hold()
    drag.move_to_element_with_offset(stage, right, bottom - 20)
    drag.move_to_element_with_offset(stage, right + 200, bottom + 12).release().key_up(Keys.SHIFT).perform()
    browser.wait_until(lambda: "3 selected" in browser.text, "the selection")


def test_the_pointer_shows_the_text_of_a_line(browser: Browser) -> None:
    _mouse(browser, 4).perform()
    browser.wait_until(lambda: browser.texts("#tip") == ["upwards 7"], "the tip")


def test_text_from_an_image_is_text_wherever_it_is_shown(browser: Browser) -> None:
    browser.run_script(
        "viewer.state.set({tool: 'text', layers: new Set(['boxes', 'text']), words: '<img'}); viewer.go(3)"
    )
    browser.wait_until(lambda: browser.texts("#line-text") == [NASTY], "the line")
    _mouse(browser, 3).perform()
    _rest(browser)
    browser.wait_until(lambda: any(NASTY in text for text in browser.texts("#texts span")), "its text over the image")
    assert browser.run_script("return document.querySelectorAll('main script, aside script, img').length") == 0
    assert "taken" not in browser.driver.title


def test_text_over_the_image_can_be_selected(browser: Browser) -> None:
    browser.run_script("viewer.go(1)")
    browser.press("t")
    _rest(browser)
    browser.wait_until(lambda: any("Pump house" in text for text in browser.texts("#texts span")), "the text")
    span = next(
        span for span in browser.driver.find_elements(By.CSS_SELECTOR, "#texts span") if "Pump house" in span.text
    )
    width = browser.run_script("return arguments[0].getBoundingClientRect().width", span)
    assert width == pytest.approx(_width(browser, 1), rel=0.05), "as wide as the line in the image"
    ActionChains(browser.driver).move_to_element(span).double_click().perform()
    assert browser.run_script("return getSelection().toString().trim()") in ("Pump", "house", "No", "No.", "7")


def _width(browser: Browser, line: int) -> float:
    script = "const [x0, , x1] = viewer.state.lines.bounds(arguments[0]); return (x1 - x0) * viewer.imageView.view.a"
    return float(browser.run_script(script, line))


def test_zoom_by_keys_buttons_and_wheel(browser: Browser) -> None:
    def zoomed(done: float, by: partial[None]) -> None:
        before = browser.run_script("return viewer.imageView.view.a")
        by()
        browser.wait_until(
            lambda: (browser.run_script("return viewer.imageView.view.a") / before - 1) * done > 0.1, "the zoom"
        )
        _rest(browser)

    zoomed(1, partial(browser.press, "+"))
    zoomed(1, partial(browser.click, "#zoom-in"))
    zoomed(-1, partial(browser.press, "-"))
    zoomed(1, partial(_wheel, browser, -300))
    zoomed(-1, partial(browser.press, "0"))


def _wheel(browser: Browser, distance: int) -> None:
    origin = ScrollOrigin.from_element(browser.driver.find_element(By.ID, "image"))
    ActionChains(browser.driver).scroll_from_origin(origin, 0, distance).perform()


def test_the_slider_leaves_the_doubtful_lines(browser: Browser) -> None:
    browser.press("l")
    browser.run_script(
        "const high = document.getElementById('high'); high.value = 50; high.dispatchEvent(new Event('input'))"
    )
    browser.wait_until(lambda: "0 of 6 lines" in browser.text, "the filter")
    assert not _listed(browser)
    browser.click("#range-all")
    browser.wait_until(lambda: len(_listed(browser)) == 6, "all lines")
    browser.press(Keys.ESCAPE)


def test_layers_change_the_image_and_say_what_was_not_read(browser: Browser) -> None:
    browser.run_script("viewer.state.set({layers: new Set()})")
    browser.wait_until(lambda: _inked(browser) == 0, "the bare image")
    for layer in ("boxes", "tiles", "seams", "gaps"):
        browser.run_script("viewer.state.set({layers: new Set([arguments[0]])})", layer)
        browser.wait_until(lambda: _inked(browser) > 50, layer)
    browser.press("l")
    browser.wait_for("its worker died", "90.00 % of the page", "4: 3 read")
    browser.press("l")


def test_d_changes_between_dark_and_light(browser: Browser) -> None:
    def paper() -> str:
        return str(browser.run_script("return getComputedStyle(document.body).backgroundColor"))

    before = paper()
    browser.press("d")
    assert paper() != before
    browser.driver.refresh()
    browser.wait_until(partial(browser.run_script, "return !!globalThis.viewer"), "the viewer")
    assert paper() != before, "the choice is kept"
    browser.press("d")
    assert paper() == before


def test_what_is_selected_is_exported(browser: Browser) -> None:
    browser.run_script("viewer.state.set({selected: new Set([3, 1])})")
    script = """
    const done = arguments[0];
    import('./js/export.js').then(({EXPORTS}) => {
      const chosen = viewer.state.chosen();
      done(Object.fromEntries(Object.entries(EXPORTS).map(([name, {write}]) => [name, write(viewer.state, chosen)])));
    });
    """
    files = browser.driver.execute_async_script(script)
    assert files["txt"] == f"Pump house No. 7\n{NASTY}\n"
    rows = json.loads(files["json"])
    assert [(row["line"], row["text"], row["confidence"]) for row in rows] == [
        (2, "Pump house No. 7", 0.9375),
        (4, NASTY, 0.9375),
    ]
    assert rows[0]["quad"] == [[round(x, 1), round(y, 1)] for x, y in FIRST.lines[1].quad.points]
    assert files["csv"].splitlines()[0].removeprefix("\ufeff").startswith("document,line,text,confidence,x0")
    assert len(files["csv"].splitlines()) == 3


def test_many_lines_are_a_list_of_few_rows(chromium: Browser, tmp_path: Path) -> None:
    lines = [make_line(f"line {n}", x=10 + n % 20 * 45, y=10 + n // 20 * 3, height=2) for n in range(5000)]
    with shown(Document((make_page(*lines, size=Size(1000, 900)),)), tmp_path) as address:
        opened(chromium, address)
        assert len(_listed(chromium)) < 60
        chromium.run_script("document.getElementById('list').scrollTop = 1e9")
        chromium.wait_until(lambda: "line 4999" in _listed(chromium), "the last line")
        assert _inked(chromium) > 1000
        chromium.press("/", *"line 4321", Keys.ENTER)
        chromium.wait_until(lambda: chromium.texts("#line-text") == ["line 4321"], "the hit")
    assert not chromium.console_errors()


def test_a_viewer_without_its_files_says_so(chromium: Browser, tmp_path: Path) -> None:
    with shown(Document((SECOND,)), tmp_path) as address:
        (tmp_path / "viewer" / "lines.bin").unlink()
        chromium.open(address)
        chromium.wait_for("This cannot be shown: lines.bin: 404")
        (tmp_path / "viewer" / "viewer.json").write_text('{"format": "other/2"}', encoding="utf-8")
        chromium.open(address)
        chromium.wait_for("This cannot be shown: viewer.json has the format other/2")
    assert all("404" in complaint for complaint in chromium.console_errors())
