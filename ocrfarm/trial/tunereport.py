"""What was tried -> rows for a terminal, and a page for people."""

from collections.abc import Sequence

from ocrfarm.report import Series, page, paragraph, plot, table
from ocrfarm.trial.loadreport import machine
from ocrfarm.trial.tune import Trial

HEAD = ("trial", "processes x threads", "precision", "scale", "batch", "tile", "MP/s", "same words", "MB", "verdict")
_WIDTHS = (6, 20, 10, 7, 6, 6, 8, 11, 7, 0)


def cells(number: int, trial: Trial) -> tuple[str, ...]:
    """Give one trial, as `HEAD` names its parts."""
    profile, speed = trial.profile, trial.speed
    runtime = profile.runtime
    settings = (f"{runtime.processes} x {runtime.threads}", runtime.precision, f"{profile.detector_scale:g}")
    figures = ("-", "-", "-")
    if not speed.trouble:
        figures = (f"{speed.megapixels:.2f}", f"{trial.agreement:.2%}", f"{speed.megabytes:.0f}")
    return (str(number), *settings, str(profile.runtime.batch), str(profile.tiling.side), *figures, trial.verdict)


def row(found: Sequence[str]) -> str:
    """Give one line for a terminal."""
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(found, _WIDTHS, strict=True))


def html(trials: Sequence[Trial], *, name: str, picture: str) -> str:
    """Give the report as one HTML file."""
    taken = [number for number, trial in enumerate(trials) if trial.is_taken]
    first, best = trials[0].speed.megapixels, trials[taken[-1]].speed.megapixels
    said = (
        f"Profile {name} on the piece of {picture} with the most print: {first:.2f} megapixels a second as given, "
        f"{best:.2f} with the best settings, {best / first:.2f} times as fast. This machine: {machine()}."
    )
    groups = {"taken": True, "not taken": False}
    series = [
        Series(each, [(at, trial.speed.megapixels) for at, trial in enumerate(trials) if trial.is_taken is which], True)
        for each, which in groups.items()
    ]
    return page(
        "ocrfarm tune",
        (
            paragraph(said),
            plot("Every trial", series, x="trial", y="megapixels a second"),
            table(HEAD, (cells(number, trial) for number, trial in enumerate(trials)), best=taken[-1]),
        ),
    )
