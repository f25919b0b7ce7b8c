"""Counts by method -> a Markdown table."""

from collections.abc import Callable, Mapping

from tests.benchmarks.line_scores import Counts

_COLUMNS: dict[str, Callable[[Counts], str]] = {
    "F1": lambda c: f"{c.f1:.4f}",
    "F1 but for spaces": lambda c: f"{c.loose_f1:.4f}",
    "precision": lambda c: _share(c.loose, c.found),
    "recall": lambda c: _share(c.loose, c.true),
    "CER matched": lambda c: _share(c.edits, c.letters),
    "CER all": lambda c: _share(c.all_edits, c.all_letters),
    "cut lines exact": lambda c: f"{c.cut_right}/{c.cut} {_percent(c.cut_right, c.cut)}",
    "but for spaces": lambda c: f"{c.cut_loose}/{c.cut} {_percent(c.cut_loose, c.cut)}",
    "duplicates": lambda c: f"{c.twice} {_percent(c.twice, c.true)}",
    "regrouped": lambda c: f"{c.extra - c.twice} {_percent(c.extra - c.twice, c.true)}",
    "ghosts": lambda c: f"{c.ghosts} {_percent(c.ghosts, c.true)}",
    "false": lambda c: f"{c.false}",
    "slanted": lambda c: f"{c.readable_right}/{c.readable} {_percent(c.readable_right, c.readable)}",
    "shifted grid": lambda c: f"{_percent(c.same, c.compared)} ({_percent(c.same_loose, c.compared)})",
    "seconds a page": lambda c: f"{c.read / max(c.pages, 1):.1f} + {c.merge / max(c.pages, 1):.2f}",
}


def table(counts: Mapping[str, Counts]) -> str:
    """Give a row for each method."""
    rows = [["method", *_COLUMNS], ["---"] * (len(_COLUMNS) + 1)]
    rows += [[name, *(column(each) for column in _COLUMNS.values())] for name, each in counts.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "-"
