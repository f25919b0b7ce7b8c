"""How a farm bore a load -> a page for people, and rows for a terminal."""

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
    """Give the smallest of the values that so many percent of them do not exceed; ValueError for none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def describe_machine() -> str:
    """Name the machine and the packages that matter, with their versions."""
    found = [f"{name} {_package_version(name)}" for name in _PACKAGES if _package_version(name)]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {', '.join(found)}"


def _package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def summary_rows(result: LoadTestResult) -> Iterator[tuple[str, str]]:
    """Give names and figures."""
    ended = Counter(str(each.status.state) for each in result.jobs)
    yield "jobs", ", ".join(f"{count} {state}" for state, count in sorted(ended.items())) or "none"
    yield "seconds", f"{result.seconds:.1f}"
    yield "jobs a minute", f"{result.jobs_per_minute:.2f}"
    yield "megapixels a second", f"{result.megapixels_per_second:.2f}"
    yield "messages waiting, most", str(max((sample.waiting for sample in result.samples), default=0))
    yield "workers' memory, most", f"{max((sample.worker_memory for sample in result.samples), default=0) / 1e6:.0f} MB"
    yield "broker's memory, most", f"{max((sample.broker_memory for sample in result.samples), default=0) / 1e6:.1f} MB"
    yield "rejected, the farm being busy", str(result.rejected_count)


def stage_rows(result: LoadTestResult) -> Iterator[tuple[str, ...]]:
    """Give a row for each stage, with `_STAGE_HEADER` above it."""
    for stage in STAGES:
        if values := [each.seconds[stage] for each in result.jobs if each.seconds]:
            yield stage, *(f"{percentile(values, percent):.2f}" for percent in _PERCENTILES), f"{max(values):.2f}"


def format_text(result: LoadTestResult) -> Iterator[str]:
    """Give lines for a terminal."""
    for name, value in summary_rows(result):
        yield f"{name:30}{value}"
    yield "".join(f"{cell:>14}" for cell in _STAGE_HEADER)
    for row in stage_rows(result):
        yield "".join(f"{cell:>14}" for cell in row)


def format_html(result: LoadTestResult, load_test: LoadTest) -> str:
    """Give the report as one HTML file."""
    profile = load_test.profile
    what = (
        f"{load_test.job_count} jobs, {load_test.max_concurrent} at once, "
        f"profile {profile.name}, tiles of {profile.tiling.side} px"
    )
    names = ", ".join(sorted({image.name for image in load_test.images}))
    return render_page(
        "ocrfarm bench",
        (
            render_paragraph(f"{what}. Images: {names}. This machine: {describe_machine()}."),
            render_table(("", ""), summary_rows(result)),
            render_table(_STAGE_HEADER, stage_rows(result)),
            render_paragraph(
                "wait: until the splitter began; split and recognize: from then on, side by side; total: all of it."
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
