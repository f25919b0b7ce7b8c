"""`scripts/bench pdf`: whether the words of a searchable PDF are found where they stand, its size and what it costs."""

import html
import json
import os
import re
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import click

from ocrfarm.document import Coverage, Document, Line, Page
from ocrfarm.export import Target, export
from ocrfarm.geometry import Quad, Size
from ocrfarm.pdf_image_tiles import ImageTileCutter
from ocrfarm.result import SourceInfo, document_from_json
from ocrfarm.result.formats import find_formats
from ocrfarm.result.words import merge_unspaced, words_of
from tests.benchmarks.record import record_figures, record_option, sheet_name

_WORD = re.compile(r'<word xMin="(\S+)" yMin="(\S+)" xMax="(\S+)" yMax="(\S+)">(.*)</word>')
_PAGE = re.compile(r'<page width="(\S+)"')

_Point = tuple[float, float]


@click.command()
@click.argument("sheet", type=click.Path(exists=True, path_type=Path))
@click.option("--result", type=click.Path(exists=True, path_type=Path), help="What was read on it; else its truth.")
@record_option
def pdf(sheet: Path, result: Path | None, record: bool) -> None:
    """Write SHEET as a PDF with the lines of SHEET.json, its truth, and look its words up with poppler's pdftotext."""
    document = document_from_json(result.read_bytes()) if result else _truth(sheet)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{sheet.stem}.pdf"
        seconds, megabytes = _written(document, sheet, target)
        found, words = count_found(document.pages[0], words_of_pdf(target))
        size = target.stat().st_size
    ratio = size / sheet.stat().st_size
    for name, value in (
        ("words found at their place", f"{found / words:.4%} ({found} of {words})"),
        ("bytes / the image's bytes", f"{ratio:.4f} ({size / 1e6:.2f} MB)"),
        ("peak memory", f"{megabytes:.0f} MB"),
        ("time", f"{seconds:.1f} s"),
    ):
        click.echo(f"pdf        {name:44} {value}")
    if record:
        prefix = f"pdf.{sheet_name(document.pages[0].size.width)}"
        record_figures(
            {
                f"{prefix}.found": (round(100 * found / words, 2), "%"),
                f"{prefix}.words_found": (found, ""),
                f"{prefix}.words": (words, ""),
                f"{prefix}.bytes": (round(ratio, 3), ""),
                f"{prefix}.memory": (round(megabytes), "MB"),
            }
        )


def _truth(sheet: Path) -> Document:
    data = json.loads(Path(f"{sheet}.json").read_text(encoding="utf-8"))
    lines = tuple(Line(line["text"], Quad.from_points(line["quad"]), 1.0) for line in data["lines"])
    return Document((Page(Size(data["width"], data["height"]), lines, Coverage(1, read=1)),))


def _written(document: Document, sheet: Path, target: Path) -> tuple[float, float]:
    """Write the PDF in a process of its own; give the seconds and the process's peak in megabytes."""
    started = time.perf_counter()
    child = os.fork()
    if not child:
        cut = ImageTileCutter(lambda: sheet, limits={})
        origin = SourceInfo(sheet.name, lambda: sheet, lambda page: b"", cut, stem=target.stem)
        export(document, Target(target.parent, find_formats("pdf")), source=origin)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise click.ClickException(f"{sheet}: could not be written as PDF")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def words_of_pdf(path: Path) -> list[tuple[str, _Point]]:
    """Give the words that pdftotext finds on the first page, with their middles as shares of the page's width."""
    command = ["pdftotext", "-l", "1", "-bbox", str(path), "-"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    width = float(_PAGE.findall(shown)[0])
    return [
        (html.unescape(text), ((float(x0) + float(x1)) / 2 / width, (float(y0) + float(y1)) / 2 / width))
        for x0, y0, x1, y1, text in _WORD.findall(shown)
    ]


def count_found(page: Page, words: Iterable[tuple[str, _Point]]) -> tuple[int, int]:
    """Count the page's words that are among the words, within half a line height of their place, and all of them."""
    places: dict[str, list[_Point]] = defaultdict(list)
    for text, (x, y) in words:
        places[text].append((x * page.size.width, y * page.size.width))
    wanted = [
        word for line in page.lines for word in merge_unspaced(words_of(line))
    ]  # Han characters in a row are one for it
    return sum(_is_near(quad, places[text]) for text, quad, _ in wanted), len(wanted)


def _is_near(quad: Quad, places: list[_Point]) -> bool:
    x, y = (sum(values) / 4 for values in zip(*quad.points, strict=True))
    near = [place for place in places if (place[0] - x) ** 2 + (place[1] - y) ** 2 <= (quad.height / 2) ** 2]
    if near:
        places.remove(near[0])
    return bool(near)
