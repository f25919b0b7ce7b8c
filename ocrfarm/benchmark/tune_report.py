"""The trials of a search -> lines for a terminal, and an HTML report."""

from collections.abc import Sequence

from ocrfarm.benchmark.html_report import Series, render_page, render_paragraph, render_plot, render_table
from ocrfarm.benchmark.load_report import describe_machine
from ocrfarm.benchmark.tune import Trial

HEADER = ("trial", "processes x threads", "precision", "scale", "batch", "tile", "MP/s", "same words", "MB", "verdict")
_WIDTHS = (6, 20, 10, 7, 6, 6, 8, 11, 7, 0)


def format_cells(number: int, trial: Trial) -> tuple[str, ...]:
    """Return the cells of one trial, with the columns of `HEADER`.

    Args:
        number: Index of the trial.
        trial: The trial.
    """
    profile, speed = trial.profile, trial.measurement
    runtime = profile.runtime
    settings = (f"{runtime.processes} x {runtime.threads}", runtime.precision, f"{profile.detector_scale:g}")
    figures = ("-", "-", "-")
    if not speed.error:
        figures = (f"{speed.megapixels_per_second:.2f}", f"{trial.agreement:.2%}", f"{speed.peak_megabytes:.0f}")
    return (str(number), *settings, str(profile.runtime.batch), str(profile.tiling.side), *figures, trial.verdict)


def format_row(cells: Sequence[str]) -> str:
    """Return the cells as one aligned line for a terminal.

    >>> format_row(HEADER)[:40]
    ' trial   processes x threads   precision'
    """
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def format_html(trials: Sequence[Trial], *, name: str, image_name: str) -> str:
    """Return the report as one HTML file.

    Args:
        trials: All trials in order; at least one is accepted.
        name: Name of the profile with which the search started.
        image_name: Name of the image.
    """
    accepted = [number for number, trial in enumerate(trials) if trial.is_accepted]
    first, best = trials[0].measurement.megapixels_per_second, trials[accepted[-1]].measurement.megapixels_per_second
    summary = (
        f"Profile {name} on the part of {image_name} with the most text: {first:.2f} megapixels per second at first, "
        f"{best:.2f} with the best settings, {best / first:.2f} times as fast. This machine: {describe_machine()}."
    )
    series = [_make_series(trials, "accepted", True), _make_series(trials, "not accepted", False)]
    cells = (format_cells(number, trial) for number, trial in enumerate(trials))
    return render_page(
        "ocrfarm tune",
        (
            render_paragraph(summary),
            render_plot("Every trial", series, x="trial", y="megapixels per second"),
            render_table(HEADER, cells, best_row=accepted[-1]),
        ),
    )


def _make_series(trials: Sequence[Trial], name: str, is_accepted: bool) -> Series:
    points = [
        (float(number), trial.measurement.megapixels_per_second)
        for number, trial in enumerate(trials)
        if trial.is_accepted is is_accepted
    ]
    return Series(name, points, is_scatter=True)
