"""Measured figures stand in docs/figures.json alone: the documents take them from there, and none is written by hand.

A number counts as measured if it has a unit of speed, a share of a whole, an F1, a fraction of a second, or memory
without a word such as "at most" that makes it a limit. A line that ends with `<!-- limit -->` (a setting or a
requirement) or `<!-- quoted -->` (a figure of somebody else) is left out.
"""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocrfarm.cli.estimate import _REFERENCE_THROUGHPUT
from tests.benchmarks.record import FIGURES, format_figures, record_figures
from tests.support.doc_pages import PAGES, page_name
from tests.support.source_tree import ROOT

TOOL = runpy.run_path(str(ROOT / "docs/tools/figures.py"))
FIELDS = {"value", "unit", "date", "commit", "machine", "command"}
UNITS = {"", "table", "s", "ms", "MP/s", "MB", "GB", "KB", "bytes", "%", "F1"}

_EXEMPT = re.compile(r"^.*<!-- (?:limit|quoted) -->.*$", re.MULTILINE)
_NOT_PROSE = re.compile(
    r"^( *)```.*?^\1```$|(?:(?<=\n\n)|^)(?: {4,}[^\n]*\n|\n(?= {4}))+|<!-- \w+\(.*?\) -->.*?<!-- / -->"
    r"|`[^`\n]*`|\]\([^)\s]*\)|https?://\S+",
    re.DOTALL | re.MULTILINE,
)
_LIMIT = re.compile(
    r"at most|at least|limit|or more|up to|default|maximum|minimum|room for|needs?\b|\bask|OCRFARM_", re.IGNORECASE
)
_COUNT = r"(?:\d[\d.,]*|one|two|three|four|five|ten|twenty|thirty|sixty)"
_ALWAYS = {
    "speed": rf"{_COUNT}(?: |-)?(?:MP/s|(?:megapixels?|tiles|pages|sheets|lines|words|jobs) (?:a|per) second)",
    "F1": r"(?<![\d.,])0?\.\d{3,}(?![.\d])|F1\D{0,20}0?\.\d+",
    "percentage": r"\d ?%",
    "fraction of a second": r"\d\.\d+ ?(?:s|ms|seconds?|minutes?)\b|\d ?ms\b",
    "speedup": r"\d\.\d+ ?x\b|\d\.\d+ times|\d times (?:faster|slower|as fast|the time)",
}
_UNLESS_LIMIT = {"memory": r"\d[\d.,]* ?(?:kB|KB|MB|GB|TB|PB)\b"}
_RUN = re.compile(r"16384|\bsheet\b|\bcores?\b", re.IGNORECASE)
_DURATION = rf"\b{_COUNT} (?:s|seconds|minutes?|hours?)\b"

every_page = pytest.mark.parametrize("page", [page for page in PAGES if page.name != "licences.md"], ids=page_name)


def find_measured(text: str) -> Iterator[str]:
    """Yield what looks measured, with its sentence or row."""
    for sentence in _sentences(_NOT_PROSE.sub(" ", _EXEMPT.sub("", text))):
        for name, pattern in _ALWAYS.items():
            if found := re.search(pattern, sentence):
                yield f"{name} {found[0]!r}: {sentence}"
        for name, pattern in _UNLESS_LIMIT.items():
            if (found := re.search(pattern, sentence)) and not _LIMIT.search(sentence):
                yield f"{name} {found[0]!r}: {sentence}"
        if _RUN.search(sentence) and (found := re.search(_DURATION, sentence)):
            yield f"duration {found[0]!r}: {sentence}"


def _sentences(text: str) -> Iterator[str]:
    """Yield rows of tables, and sentences of paragraphs, which may run over several lines."""
    for block in re.split(r"\n\s*\n|\n(?=\s*[-*] |\||#)", text):
        if block.lstrip().startswith("|"):
            yield block.strip()
        else:
            yield from re.split(r"(?<=[.;:!?])\s+(?=\D)", " ".join(block.split()))


@every_page
def test_no_measured_figure_is_written_by_hand(page: Path) -> None:
    assert list(find_measured(page.read_text(encoding="utf-8"))) == []


CONTRADICTIONS = (
    "| ocrfarm | 0.998 | 98 % | 0 |",
    "Of the drawn lines that no tile holds whole, 98 % are exact with `accurate`.",
    "| lines exact on drawn pages (F1, with spaces) | 0.988 | | 0.998 |",
    "On two cores a page of 16384 x 16384 pixels takes one minute (`fast`) to three (`accurate`).",
    "It takes one to two minutes on two cores:",
    "| time; megapixels a second | 28 s; 9.8 MP/s | 49 s; 5.4 MP/s |",
    "On the 16384 x 16384 sheet a farm of two workers took 27 s (`fast`), 48 s and 49 s.",
    "| words found, F1 | 0.88 | 0.93 |",
    "| `fast` | .8640 | .8663 | 0.997 |",
    "`accurate` found 92 % of the words exactly.",
    "A farm that is running reads 2 to 5 megapixels a second on two cores.",
    "| recognizer on a CPU | 0.8 GB | 2.4 and 0.85 megapixels a second |",
    "A core reads 4.9 megapixels a second, a sheet takes 112 s of a core.",
    "Each takes a core and 0.8 GB (`fast`) or 1.2 GB (`accurate`).",
    "| one recognizer and its detector in each of N children | 700 MB (fast), 900 MB (accurate) each |",
    "A message costs 10 ms and a small image 1.5 s.",
)
"""Sentences of these documents that once said different things of one thing."""

SETTINGS = (
    "A running batch gets 30 s to finish.",
    "The messages come back after 5 minutes, plus 20 s.",
    "A batch holds at most 32 megapixels.",
    "Linux on x86_64, 2 cores and 4 GB of memory or more.",
    "The memory limit of one child is 4 GB.",
    "An upload of up to 1 GB is accepted.",
    "The next attempts follow after 5 seconds, 1, 5 and 30 minutes.",
    "Text of 2.5 mm needs 150 dpi.",
    "`detector_scale = 0.5` is the default; sahi 0.12.8 and PaddleOCR 3.7.0 were used.",
    "A page of 16384 x 16384 pixels has 81 tiles of 2048 x 2048.",
    'It took <!-- figure("speed.16k.fast.seconds") -->28.1 s<!-- / --> on 2 cores.',
    "AWS Textract refuses 10 MB. <!-- quoted -->",
)


@pytest.mark.parametrize("text", CONTRADICTIONS)
def test_a_measured_figure_is_recognised(text: str) -> None:
    assert list(find_measured(text))


@pytest.mark.parametrize("text", SETTINGS)
def test_a_setting_is_no_measured_figure(text: str) -> None:
    assert list(find_measured(text)) == []


def _figures() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return loaded


def test_every_figure_says_where_it_comes_from() -> None:
    figures = _figures()
    assert FIGURES.read_text(encoding="utf-8") == format_figures(figures)
    for name, figure in figures.items():
        assert set(figure) == FIELDS, name
        assert figure["unit"] in UNITS, name
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", figure["date"]), name
        assert re.fullmatch(r"[0-9a-f]{7,40}", figure["commit"]), name
        assert re.match(r"scripts/(bench|test) |by hand: ", figure["command"]), name
        assert re.match(r"\d+ cores \(.+\), \d+ GB, (no|a) GPU$", figure["machine"]), name
        if figure["unit"] == "table":
            assert len({len(row) for row in figure["value"]}) == 1, name


def test_the_documents_hold_the_figures_of_the_file() -> None:
    command = [sys.executable, str(ROOT / "docs/tools/figures.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


A_FILE = {
    "a.time": {"value": 1234.5, "unit": "s"},
    "a.f1": {"value": 0.9, "unit": "F1"},
    "a.rows": {"value": [["name", "x", "y"], ["one", "1", "2"], ["two", "3", "4"]], "unit": "table"},
}


@pytest.mark.parametrize(
    ("macro", "value"),
    [
        ('figure("a.time")', "1,234.5 s"),
        ('figure("a.f1", digits=2)', "0.90"),
        ('figure("2 * a.time / 3", digits=0, unit="h")', "823 h"),
        ('cell("a.rows", "two", "y")', "4"),
        ('table("a.rows", columns="y", rows="two")', "\n\n| name | y |\n| --- | --- |\n| two | 4 |\n\n"),
    ],
)
def test_what_stands_between_the_comments_is_replaced(macro: str, value: str) -> None:
    for old in ("", "old", "\n\n| old |\n\n"):
        text = f"It took <!-- {macro} -->{old}<!-- / -->, or <!-- / -->."
        assert TOOL["rewrite"](text, A_FILE) == f"It took <!-- {macro} -->{value}<!-- / -->, or <!-- / -->."


def test_a_bench_records_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = tmp_path / "figures.json"
    monkeypatch.setattr("tests.benchmarks.record.FIGURES", figures)
    monkeypatch.setattr("sys.argv", ["bench", "speed", str(tmp_path / "SHEET.png"), "--record"])
    record_figures({"a.first": (1.5, "s"), "a.second": (2, "")})
    record_figures({"a.second": ([["head"], ["cell"]], "table")})
    recorded = json.loads(figures.read_text(encoding="utf-8"))
    assert recorded["a.first"]["value"] == 1.5
    assert recorded["a.second"]["value"] == [["head"], ["cell"]]
    assert {figure["command"] for figure in recorded.values()} == {"scripts/bench speed SHEET.png"}
    assert set(recorded["a.first"]) == FIELDS


@pytest.mark.parametrize(
    "macro", ['figure("a.tme")', 'figures("a.time")', 'figure("__import__(1)")', 'cell("a.b", "c")', "figure("]
)
def test_a_wrong_macro_stops_the_build(macro: str) -> None:
    with pytest.raises(ValueError, match=re.escape(macro)):
        TOOL["rewrite"](f"<!-- {macro} --><!-- / -->", {"a.time": {"value": 1, "unit": "s"}})


@pytest.mark.parametrize(("profile", "per_core"), _REFERENCE_THROUGHPUT.items())
def test_the_estimate_of_a_dry_run_is_near_the_measured_speed(profile: str, per_core: float) -> None:
    assert per_core == pytest.approx(_figures()[f"speed.16k.{profile}.rate"]["value"] / 2, rel=0.25)
