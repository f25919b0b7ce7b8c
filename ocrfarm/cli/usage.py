"""`ocrfarm usage`: what each owner has used in a month."""

import csv
import io
import os
import time
from typing import Any

import click

from ocrfarm.cli.main import echo
from ocrfarm.errors import SettingsError
from ocrfarm.printable import guard_formula, printable, printable_json
from ocrfarm.settings import Settings

_MONTH_FORMAT = "%Y-%m"


@click.command(short_help="Show what each owner has used in a month, as CSV or JSON.")
@click.option("--month", metavar="YYYY-MM", show_default="this month", help="The month, in UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead of CSV.")
def usage(month: str | None, *, as_json: bool) -> None:
    """Show what the jobs that ended in a month have used, by owner and profile, as CSV.

    OCRFARM_BROKER names the farm. The months of the last year are kept in the broker.

    \f
    Args:
        month: The month, such as 2026-11; None for the current one.
        as_json: Whether to print JSON.
    """
    settings = Settings.from_env(os.environ)
    if not settings.endpoints.broker:
        raise SettingsError("no farm is named: set OCRFARM_BROKER; `ocrfarm up` prints it")
    from ocrfarm.farm.context import open_job_store
    from ocrfarm.farm.metrics import Usage

    chosen = _parse_month(month) if month else time.strftime(_MONTH_FORMAT, time.gmtime())
    columns = ("month", *Usage._fields)
    rows = [(chosen, *row) for row in open_job_store(settings).usage.read_month(chosen)]
    if as_json:
        echo(*(printable_json(dict(zip(columns, row, strict=True))) for row in rows))
    else:
        echo(*(_format_csv_row(row) for row in (columns, *rows)))


def _parse_month(text: str) -> str:
    """Return the month as it is counted; `SettingsError` if it is none.

    >>> _parse_month("2026-3")
    '2026-03'
    """
    try:
        return time.strftime(_MONTH_FORMAT, time.strptime(text, _MONTH_FORMAT))
    except ValueError as error:
        raise SettingsError(f"--month {text} is no month; write it as in 2026-11") from error


def _format_csv_row(row: tuple[Any, ...]) -> str:
    written = io.StringIO()
    cells = [guard_formula(printable(cell)) if isinstance(cell, str) else cell for cell in row]
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()
