"""How a farm bore a load -> a page for people, and rows for a terminal."""

import math
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from ocrfarm.report import Series, page, paragraph, plot, table
from ocrfarm.trial.load import STAGES, Load, Record

_PERCENTS = (50, 95, 99)
_PACKAGES = ("ocrfarm", "celery", "redis", "paddleocr", "onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu")
_STAGES_HEAD = ("stage", *(f"p{percent}, s" for percent in _PERCENTS), "longest, s")


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest of the values that so many percent of them do not exceed; ValueError for none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def machine() -> str:
    """Name the machine and the packages that matter, with their versions."""
    found = [f"{name} {_version(name)}" for name in _PACKAGES if _version(name)]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {', '.join(found)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def facts(record: Record) -> Iterator[tuple[str, str]]:
    """Give names and figures."""
    ended = Counter(str(each.status.state) for each in record.played)
    yield "jobs", ", ".join(f"{count} {state}" for state, count in sorted(ended.items())) or "none"
    yield "seconds", f"{record.seconds:.1f}"
    yield "jobs a minute", f"{record.jobs_a_minute:.2f}"
    yield "megapixels a second", f"{record.megapixels_a_second:.2f}"
    yield "messages waiting, most", str(max((look.waiting for look in record.looks), default=0))
    yield "workers' memory, most", f"{max((look.workers for look in record.looks), default=0) / 1e6:.0f} MB"
    yield "broker's memory, most", f"{max((look.broker for look in record.looks), default=0) / 1e6:.1f} MB"
    yield "refused, the farm being busy", str(record.refused)


def stages(record: Record) -> Iterator[tuple[str, ...]]:
    """Give a row for each stage, with `_STAGES_HEAD` above it."""
    for stage in STAGES:
        if values := [each.seconds[stage] for each in record.played if each.seconds]:
            yield stage, *(f"{percentile(values, percent):.2f}" for percent in _PERCENTS), f"{max(values):.2f}"


def rows(record: Record) -> Iterator[str]:
    """Give lines for a terminal."""
    for name, value in facts(record):
        yield f"{name:30}{value}"
    yield "".join(f"{cell:>14}" for cell in _STAGES_HEAD)
    for row in stages(record):
        yield "".join(f"{cell:>14}" for cell in row)


def html(record: Record, load: Load) -> str:
    """Give the report as one HTML file."""
    what = (
        f"{load.jobs} jobs, {load.at_once} at once, profile {load.profile.name}, tiles of {load.profile.tiling.side} px"
    )
    names = ", ".join(sorted({picture.name for picture in load.pictures}))
    return page(
        "ocrfarm bench",
        (
            paragraph(f"{what}. Pictures: {names}. This machine: {machine()}."),
            table(("", ""), facts(record)),
            table(_STAGES_HEAD, stages(record)),
            paragraph("wait: until the splitter began; split and read: from then on, side by side; whole: all of it."),
            *_plots(record),
        ),
    )


def _plots(record: Record) -> Iterator[str]:
    looks = record.looks
    depth = [Series("waiting", [(each.at, each.waiting) for each in looks])]
    depth.append(Series("in hand", [(each.at, each.in_hand) for each in looks]))
    yield plot("Messages in the queues", depth, x="seconds", y="messages")
    memory = [Series("workers", [(each.at, each.workers / 1e6) for each in looks if each.workers])]
    memory.append(Series("broker", [(each.at, each.broker / 1e6) for each in looks]))
    yield plot("Memory", memory, x="seconds", y="MB")
    jobs = sorted((each for each in record.played if each.seconds), key=lambda each: each.status.submitted)
    whole = [(float(number), each.seconds["whole"]) for number, each in enumerate(jobs, 1)]
    yield plot("Each job from its submission to its end", [Series("jobs", whole, dots=True)], x="job", y="seconds")
