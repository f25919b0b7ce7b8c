"""The result of a load test -> an HTML report, and lines for a terminal."""

import math
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from ocrfarm.benchmark.html_report import Series, render_page, render_paragraph, render_plot, render_table
from ocrfarm.benchmark.load_test import STAGES, LoadTest, LoadTestResult

_PERCENTILES = (50, 95, 99)
_PACKAGES = ("ocrfarm", "celery", "redis", "paddleocr", "onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu")
_STAGE_HEADER = ("stage", *(f"p{percent}, s" for percent in _PERCENTILES), "longest, s")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest-rank method.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 50)
    2.0

    Args:
        values: The values in any order.
        percent: More than 0, at most 100.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def describe_machine() -> str:
    """Return one line: the cores, the architecture, and the versions of the packages that affect speed."""
    found = [f"{name} {_package_version(name)}" for name in _PACKAGES if _package_version(name)]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {', '.join(found)}"


def _package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def summary_rows(result: LoadTestResult) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each figure."""
    ended = Counter(str(each.status.state) for each in result.jobs)
    yield "jobs", ", ".join(f"{count} {state}" for state, count in sorted(ended.items())) or "none"
    yield "seconds", f"{result.seconds:.1f}"
    yield "jobs per minute", f"{result.jobs_per_minute:.2f}"
    yield "megapixels per second", f"{result.megapixels_per_second:.2f}"
    waiting, workers, broker = (
        max((getattr(sample, name) for sample in result.samples), default=0)
        for name in ("waiting", "worker_memory", "broker_memory")
    )
    yield "messages waiting, maximum", str(waiting)
    yield "workers' memory, maximum", f"{workers / 1e6:.0f} MB"
    yield "broker's memory, maximum", f"{broker / 1e6:.1f} MB"
    yield "rejected, farm at capacity", str(result.rejected_count)


def stage_rows(result: LoadTestResult) -> Iterator[tuple[str, ...]]:
    """Yield a row for each stage, with the columns of `_STAGE_HEADER`."""
    for stage in STAGES:
        if values := [each.seconds[stage] for each in result.jobs if each.seconds]:
            yield stage, *(f"{percentile(values, percent):.2f}" for percent in _PERCENTILES), f"{max(values):.2f}"


def format_text(result: LoadTestResult) -> Iterator[str]:
    """Yield the report as lines for a terminal."""
    for name, value in summary_rows(result):
        yield f"{name:30}{value}"
    yield "".join(f"{cell:>14}" for cell in _STAGE_HEADER)
    for row in stage_rows(result):
        yield "".join(f"{cell:>14}" for cell in row)


def format_html(result: LoadTestResult, load_test: LoadTest) -> str:
    """Return the report as one HTML file.

    Args:
        result: What was measured.
        load_test: What was submitted.
    """
    profile = load_test.profile
    description = (
        f"{load_test.job_count} jobs, {load_test.max_concurrent} at once, "
        f"profile {profile.name}, tiles of {profile.tiling.side} px"
    )
    names = ", ".join(sorted({image.name for image in load_test.images}))
    return render_page(
        "ocrfarm bench",
        (
            render_paragraph(f"{description}. Images: {names}. This machine: {describe_machine()}."),
            render_table(("", ""), summary_rows(result)),
            render_table(_STAGE_HEADER, stage_rows(result)),
            render_paragraph(
                "wait: until splitting began. split, recognize: from then on, overlapping. total: submission to end."
            ),
            *_render_plots(result),
        ),
    )


def _render_plots(result: LoadTestResult) -> Iterator[str]:
    samples = result.samples
    depth = [Series("waiting", [(each.elapsed, each.waiting) for each in samples])]
    depth.append(Series("unacknowledged", [(each.elapsed, each.unacked) for each in samples]))
    yield render_plot("Messages in the queues", depth, x="seconds", y="messages")
    memory = [Series("workers", [(each.elapsed, each.worker_memory / 1e6) for each in samples if each.worker_memory])]
    memory.append(Series("broker", [(each.elapsed, each.broker_memory / 1e6) for each in samples]))
    yield render_plot("Memory", memory, x="seconds", y="MB")
    jobs = sorted((each for each in result.jobs if each.seconds), key=lambda each: each.status.submitted)
    totals = [(float(number), each.seconds["total"]) for number, each in enumerate(jobs, 1)]
    yield render_plot(
        "Each job from its submission to its end", [Series("jobs", totals, is_scatter=True)], x="job", y="seconds"
    )
