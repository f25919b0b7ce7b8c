"""Counts by method -> a Markdown table."""

from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.comparison import FULL, PADDLE, SECOND_PASS
from tests.benchmarks.line_scores import Counts

_COLUMNS: dict[str, Callable[[Counts], str]] = {
    "F1": lambda c: f"{c.f1:.4f}",
    "F1 but for spaces": lambda c: f"{c.loose_f1:.4f}",
    "precision": lambda c: _share(c.loose, c.found),
    "recall": lambda c: _share(c.loose, c.true),
    "CER matched": lambda c: _share(c.edits, c.letters),
    "CER all": lambda c: _share(c.all_edits, c.all_letters),
    "cut lines exact": lambda c: f"{c.cut_right}/{c.cut} {_percent(c.cut_right, c.cut)}",
    "cut lines but for spaces": lambda c: f"{c.cut_loose}/{c.cut} {_percent(c.cut_loose, c.cut)}",
    "duplicates": lambda c: f"{c.twice} {_percent(c.twice, c.true)}",
    "regrouped": lambda c: f"{c.extra - c.twice} {_percent(c.extra - c.twice, c.true)}",
    "ghosts": lambda c: f"{c.ghosts} {_percent(c.ghosts, c.true)}",
    "false": lambda c: f"{c.false}",
    "slanted": lambda c: f"{c.readable_right}/{c.readable} {_percent(c.readable_right, c.readable)}",
    "shifted grid": lambda c: f"{_percent(c.same, c.compared)} ({_percent(c.same_loose, c.compared)})",
    "seconds a page": lambda c: f"{c.read / max(c.pages, 1):.1f} + {c.merge / max(c.pages, 1):.2f}",
}


def table_rows(counts: Mapping[str, Counts]) -> list[list[str]]:
    """Return the heads, and a row for each method."""
    return [["method", *_COLUMNS], *([name, *(of(each) for of in _COLUMNS.values())] for name, each in counts.items())]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in Markdown, the first one as heads."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


KIND_HEADS = [
    *("kind", "profile", "PaddleOCR", "NMS", "SAHI + strings", "untiled", "ocrfarm"),
    *("cut lines", "duplicates; ghosts", "slanted", "shifted grid"),
]
"""Of the table that has one row for each kind of page; F1 with spaces, and without them in brackets."""

_KIND_METHODS = (PADDLE, "NMS (IoU .5)", "SAHI GREEDYNMM + string merge", FULL, SECOND_PASS)


def kind_row(kind: str, model: str, counts: Mapping[str, Counts]) -> list[str]:
    """Return the row of one kind of page."""
    ours = counts[SECOND_PASS]
    slanted = f"{ours.readable_right}/{ours.readable}" if ours.readable else "-"
    return [
        *(f"`{kind}`", f"`{model}`"),
        *(f"{counts[name].f1:.4f} ({counts[name].loose_f1:.4f})" for name in _KIND_METHODS),
        *(f"{ours.cut_loose}/{ours.cut}", f"{ours.twice}; {ours.ghosts}", slanted),
        _COLUMNS["shifted grid"](ours),
    ]


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"
