"""`scripts/bench accuracy`: ocrfarm and what others do, on the same readings of pages whose text is known."""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from pathlib import Path

import click

from ocrfarm.document import Line
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.models import MODELS
from ocrfarm.settings import Settings
from tests.benchmarks.figures import Counts, Truth, Verdict, agreement, judge, plain
from tests.benchmarks.methods import Method, concatenate, methods
from tests.benchmarks.pages import KINDS, Drawn, draw
from tests.benchmarks.sheets import compare_sheet
from tests.benchmarks.tables import print_table
from tests.benchmarks.tilesets import Reader, TileSet, versions

_SETS = ("640/128", "1024/128", "1024/128+320+416", "2048/192")
_QUICK_SETS = ("1024/128", "1024/128+320+416")
_FULL, _PADDLE, _OURS = "untiled, full size", "PaddleOCR at its defaults", "ocrfarm"
_CACHE = Path(tempfile.gettempdir()) / "ocrfarm-accuracy"


@dataclass(frozen=True)
class _Run:
    """All that is measured with one choice of models: counts by method, and what ocrfarm got wrong."""

    reader: Reader
    sets: tuple[TileSet, ...]
    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    wrong: list[str] = field(default_factory=list)

    def page(self, page: Drawn) -> None:
        """Read a page in every way and add it up."""
        read = self.reader.readable(page)
        right = frozenset(index for index, text in read.items() if plain(text) == plain(page.lines[index].text))
        truth = Truth(page.lines, right)
        untiled = {name: concatenate(readings, page.pixels) for name, readings in self._untiled(page)}
        seconds = {name: sum(each.seconds for each in readings) for name, readings in self._untiled(page)}
        tiled: dict[str, dict[TileSet, Sequence[Line]]] = defaultdict(dict)
        for one in self.sets:
            tiles = one.tiles(page.size)
            readings = self.reader.read(page, tiles)
            verdicts = {name: judge(lines, truth, tiles, seconds[name]) for name, lines in untiled.items()}
            for name, method in methods().items():
                tiled[name][one], taken = _timed(method, readings, page)
                taken += sum(each.seconds for each in readings)
                verdicts[name] = judge(tiled[name][one], truth, tiles, taken)
            for name, verdict in verdicts.items():
                self.counts[name] += verdict.counts
            self.wrong.extend(_told(f"{page.name} {one}", verdicts[_OURS], verdicts[_FULL], page.lines))
        for name, found in tiled.items():
            self.counts[name] += _agreements(found)

    def _untiled(self, page: Drawn) -> tuple[tuple[str, Sequence], ...]:
        return (_PADDLE, self.reader.by_paddleocr(page)), (_FULL, self.reader.whole(page))


@click.command()
@click.option("--kind", "kinds", multiple=True, default=("mixed",), type=click.Choice((*KINDS, "all")), show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2), show_default=True)
@click.option("--model", "models", multiple=True, default=("fast", "fast@1.0", "accurate"), show_default=True)
@click.option("--tiles", "sets", multiple=True, default=_SETS, show_default=True, help="side/overlap or side/overlap+x+y")
@click.option("--quick", is_flag=True, help="One page, one grid and its shifted twin, the tiny models.")
@click.option("--wrong", is_flag=True, help="List the lines that ocrfarm gets wrong.")
@click.option("--cache", default=_CACHE, type=click.Path(path_type=Path), show_default=True, help="Where readings stay.")
@click.option("--receipts", type=click.Path(exists=True, path_type=Path), help="img/*.jpg and box/*.csv, in a sheet.")
@click.option("--side", type=int, default=16384, show_default=True, help="Pixels of the sheet of receipts.")
def accuracy(
    *,
    kinds: tuple[str, ...],
    seeds: tuple[int, ...],
    models: tuple[str, ...],
    sets: tuple[str, ...],
    quick: bool,
    wrong: bool,
    cache: Path,
    receipts: Path | None,
    side: int,
) -> None:
    """Read drawn pages, tiled and untiled, and print how much of their text each way of merging gets right."""
