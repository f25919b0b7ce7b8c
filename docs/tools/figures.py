"""Puts the measured figures of docs/figures.json into the documents, and does so again whenever the site is built.

A figure is a comment, then its value:

    <!-- figure("speed.16k.fast.seconds") -->28 s<!-- / -->             value and unit
    <!-- figure("speed.16k.fast.rate / 2", digits=1, unit="MP/s") -->   arithmetic
    <!-- cell("accuracy.mixed.fast", "ocrfarm", "F1") -->               one cell of a table
    <!-- table("chaos.matrix") -->                                      a Markdown table, in paragraphs of its own;
                                                                        columns="F1; duplicates" selects some

So a document reads well wherever Markdown is shown, and what stands between the comments is never written by hand.
"""

import argparse
import ast
import json
import operator
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures.json"
DOCUMENTS = (ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md")))

Figures = Mapping[str, Mapping[str, Any]]
"""Id -> value, unit, date, commit, machine, command. The value of a table is its rows, the first one the heads."""

_MARKED = re.compile(r"<!-- (\w+\([^\n]*?\)) -->.*?<!-- / -->", re.DOTALL)
_BEGUN = re.compile(r"<!-- ((?:figure|table|cell)\b[^\n]*?) -->")
_ID = re.compile(r"[a-z]\w*(?:\.\w+)+")
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_UNITS_WITHOUT_NAME = ("", "F1", "CER")


def load_figures() -> Figures:
    """Return what docs/figures.json holds."""
    figures: Figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    return figures


def rewrite(text: str, figures: Figures) -> str:
    """Put the figures between their comments.

    Args:
        text: A document in Markdown.
        figures: What `load_figures` returned.

    Raises:
        ValueError: A comment is misspelt, or names a figure that does not exist.
    """

    def insert(match: re.Match[str]) -> str:
        value = _call(match[1], figures)
        value = f"\n\n{value}\n\n" if "\n" in value else value
        return f"<!-- {match[1]} -->{value}<!-- / -->"

    for begun in _BEGUN.finditer(text):
        if not _MARKED.match(text, begun.start()):
            raise ValueError(f"<!-- {begun[1]} -->: it is misspelt, or `<!-- / -->` is missing")
    return _MARKED.sub(insert, text)


def _call(macro: str, figures: Figures) -> str:
    try:
        call = ast.parse(macro, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("not a call")
        arguments = [ast.literal_eval(each) for each in call.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        return _MACROS[call.func.id](figures, *arguments, **options)
    except (KeyError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"<!-- {macro} -->: {type(error).__name__} {error}") from error


def figure(figures: Figures, expression: str, digits: int | None = None, unit: str | None = None) -> str:
    """Return a figure with its unit, or the result of arithmetic over figures.

    Args:
        figures: What `load_figures` returned.
        expression: An id, or ids and numbers with + - * / and brackets.
        digits: Digits after the decimal point; as recorded by default.
        unit: Replaces the unit; "" leaves it out.
    """
    entry = figures.get(expression)
    if entry is None:
        numbers = _ID.sub(lambda match: repr(float(figures[match[0]]["value"])), expression)
        value, unit = _evaluate(ast.parse(numbers, mode="eval").body), unit or ""
    else:
        value, unit = entry["value"], entry["unit"] if unit is None else unit
    number = f"{value:,}" if digits is None else f"{value:,.{digits}f}"
    return number if unit in _UNITS_WITHOUT_NAME else f"{number} {unit}"


def _evaluate(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
    raise ValueError("only numbers, ids and + - * / are known")


def table(figures: Figures, name: str, columns: str = "", rows: str = "") -> str:
    """Return a table in Markdown.

    Args:
        figures: What `load_figures` returned.
        name: Id of the table.
        columns: Heads of the columns to show after the first one, separated by "; ". Defaults to all.
        rows: First cells of the rows to show, in this order, separated by "; ". Defaults to all.
    """
    head, *body = figures[name]["value"]
    chosen = [0, *map(head.index, columns.split("; "))] if columns else range(len(head))
    if rows:
        body = [_find_row(body, row) for row in rows.split("; ")]
    lines = [[row[column] for column in chosen] for row in (head, ["---"] * len(head), *body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(figures: Figures, name: str, row: str, column: str) -> str:
    """Return one cell of a table.

    Args:
        figures: What `load_figures` returned.
        name: Id of the table.
        row: First cell of its row.
        column: Head of its column.
    """
    head, *body = figures[name]["value"]
    return str(_find_row(body, row)[head.index(column)])


def _find_row(body: list[list[str]], name: str) -> list[str]:
    for row in body:
        if row[0] == name:
            return row
    raise ValueError(f"there is no row {name!r}")


_MACROS: dict[str, Callable[..., str]] = {"figure": figure, "table": table, "cell": cell}


def main() -> int:
    """Rewrite the documents; with --check only name those that are out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true")
    check, figures, stale = parser.parse_args().check, load_figures(), []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        if (new := rewrite(text, figures)) != text:
            stale.append(path.name)
            if not check:
                path.write_text(new, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"{', '.join(stale)}: run scripts/figures\n")
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
