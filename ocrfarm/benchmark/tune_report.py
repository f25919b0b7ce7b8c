"""What was tried -> rows for a terminal, and a page for people."""

from collections.abc import Sequence

from ocrfarm.benchmark.html_report import Series, render_page, render_paragraph, render_plot, render_table
from ocrfarm.benchmark.load_report import describe_machine
from ocrfarm.benchmark.tune import Trial

HEADER = ("trial", "processes x threads", "precision", "scale", "batch", "tile", "MP/s", "same words", "MB", "verdict")
_WIDTHS = (6, 20, 10, 7, 6, 6, 8, 11, 7, 0)


def format_cells(number: int, trial: Trial) -> tuple[str, ...]:
    """Give one trial, as `HEADER` names its parts."""
    profile, speed = trial.profile, trial.measurement
    runtime = profile.runtime
    settings = (f"{runtime.processes} x {runtime.threads}", runtime.precision, f"{profile.detector_scale:g}")
    figures = ("-", "-", "-")
    if not speed.error:
        figures = (f"{speed.megapixels_per_second:.2f}", f"{trial.agreement:.2%}", f"{speed.peak_megabytes:.0f}")
    return (str(number), *settings, str(profile.runtime.batch), str(profile.tiling.side), *figures, trial.verdict)


def format_row(cells: Sequence[str]) -> str:
    """Give one line for a terminal."""
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def format_html(trials: Sequence[Trial], *, name: str, image_name: str) -> str:
    """Give the report as one HTML file."""
    accepted = [number for number, trial in enumerate(trials) if trial.is_accepted]
    first, best = trials[0].measurement.megapixels_per_second, trials[accepted[-1]].measurement.megapixels_per_second
    summary = (
        f"Profile {name} on the part of {image_name} with the most text: {first:.2f} megapixels a second as given, "
        f"{best:.2f} with the best settings, {best / first:.2f} times as fast. This machine: {describe_machine()}."
    )
    groups = {"accepted": True, "not accepted": False}
    series = [
        Series(
            each,
            [
                (at, trial.measurement.megapixels_per_second)
                for at, trial in enumerate(trials)
                if trial.is_accepted is which
            ],
            True,
        )
        for each, which in groups.items()
    ]
    return render_page(
        "ocrfarm tune",
        (
            render_paragraph(summary),
            render_plot("Every trial", series, x="trial", y="megapixels a second"),
            render_table(
                HEADER, (format_cells(number, trial) for number, trial in enumerate(trials)), best_row=accepted[-1]
            ),
        ),
    )
