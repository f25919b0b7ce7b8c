"""`scripts/bench mutants`: thousands of damaged images; what the splitter makes of them."""

from collections import Counter

import click

from tests.benchmarks.record import record_figures, record_option
from tests.support.fuzzed_files import FIRST_LATER_SEED, FuzzResult, run_fuzz

_FILES_PER_PROCESS = 500
"""Files of one process."""

_LATER_SHARE = 5
"""One in so many files is an animation, has several pages, or is HEIC."""


@click.command()
@click.option("--files", default=3_000, show_default=True)
@click.option(
    "--first", default=0, show_default=True, help="The first seed; `KEPT` in test_fuzzed_files.py has the bad ones."
)
@record_option
def mutants(files: int, first: int, record: bool) -> None:
    """Split damaged files of all formats, animations and files of several pages, and count what became of them."""
    later = files // _LATER_SHARE
    seeds = [*range(first, first + files - later), *range(FIRST_LATER_SEED + first, FIRST_LATER_SEED + first + later)]
    verdicts: list[FuzzResult] = []
    for start in range(0, files, _FILES_PER_PROCESS):
        verdicts += run_fuzz(seeds[start : start + _FILES_PER_PROCESS])
    kinds = Counter(verdict.kind.rpartition(".")[2] for verdict in verdicts)
    click.echo(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
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
