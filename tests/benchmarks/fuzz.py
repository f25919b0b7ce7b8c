"""`scripts/bench mutants`: thousands of damaged images; what the splitter makes of them."""

from collections import Counter

import click

from tests.benchmarks.record import record_figures, record_option
from tests.support.fuzzed_files import FuzzResult, run_fuzz

_FILES_PER_PROCESS = 500
"""Files of one process."""


@click.command()
@click.option("--files", default=2_500, show_default=True)
@click.option(
    "--first", default=0, show_default=True, help="The first seed; `KEPT` in test_fuzzed_files.py has the bad ones."
)
@record_option
def mutants(files: int, first: int, record: bool) -> None:
    """Split damaged PNG, JPEG, TIFF, WebP, JPEG-2000, GIF, BMP and PDF files, and count what became of them."""
    verdicts: list[FuzzResult] = []
    for start in range(first, first + files, _FILES_PER_PROCESS):
        verdicts += run_fuzz(range(start, min(start + _FILES_PER_PROCESS, first + files)))
    for outcome, count in Counter(verdict.outcome for verdict in verdicts).most_common():
        click.echo(f"{outcome:14} {count:6}")
    click.echo(f"{'slowest':14} {max(verdict.seconds for verdict in verdicts):6.2f} s")
    for verdict in verdicts:
        if not verdict.is_expected:
            click.echo(f"! {verdict}")
    if record:
        counts = Counter(verdict.outcome for verdict in verdicts)
        slowest = round(max(verdict.seconds for verdict in verdicts), 2)
        figures = {f"mutants.{outcome}": (count, "") for outcome, count in counts.items()}
        record_figures({"mutants.files": (files, ""), "mutants.slowest": (slowest, "s"), **figures})
