"""`ocrfarm top`: the state of a farm, live in a terminal and as plain lines elsewhere."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ocrfarm.cli.display import flower_tasks_url
from ocrfarm.cli.main import echo
from ocrfarm.errors import BrokerError, SettingsError
from ocrfarm.printable import printable
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus
    from ocrfarm.farm.snapshot import FarmSnapshot
    from ocrfarm.farm.worker_registry import WorkerInfo

Row = tuple[str, ...]

_MAX_JOB_ROWS = 15
"""Active jobs that are listed; the others are only counted."""

_MAX_SNAPSHOTS = 30
"""Snapshots over which the speed is averaged, because one tile may take longer than the interval between two."""

_JOB_COLUMNS = ("job", "state", "done", "failed", "since", "image")
_QUEUE_COLUMNS = ("queue", "waiting, by priority", "next since", "workers")
_WORKER_COLUMNS = ("worker", "queues", "processes", "memory", "GPU", "works on")


@click.command(short_help="Show the farm's jobs, queues and workers, live.")
@click.option("--once", is_flag=True, help="Print one snapshot as plain lines and exit.")
@click.option(
    "--interval",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.2),
    metavar="SECONDS",
    help="Time between two snapshots.",
)
def top(*, once: bool, interval: float) -> None:
    """Show the jobs, queues and workers of the farm that OCRFARM_BROKER names, live, until Ctrl-C.

    In a pipe or a file, one snapshot is printed as plain lines.

    \f
    Args:
        once: Whether to print one snapshot and exit.
        interval: Seconds between two updates.
    """
    settings = Settings.from_env(os.environ)
    if not settings.endpoints.broker:
        raise SettingsError("no farm is named: set OCRFARM_BROKER; `ocrfarm up` prints it")
    from ocrfarm.farm.snapshot import make_snapshot_reader

    take_snapshot = make_snapshot_reader(settings)
    console = Console()
    if once or not console.is_terminal:
        for line in render_lines(take_snapshot()):
            echo(line)
        return
    with suppress(KeyboardInterrupt), Live(screen=True, auto_refresh=False, console=console) as live:
        for view in _iter_views(take_snapshot, settings.security.flower_url):
            live.update(view, refresh=True)
            time.sleep(interval)


def _iter_views(take_snapshot: Callable[[], "FarmSnapshot"], flower: str) -> Iterator[RenderableType]:
    """Yield one view after the other; while the broker is unreachable, the view is the error."""
    seen: deque[FarmSnapshot] = deque(maxlen=_MAX_SNAPSHOTS)
    while True:
        try:
            seen.append(take_snapshot())
            yield render_page(seen[-1], before=seen[0], flower=flower)
        except BrokerError as error:
            yield Text(printable(str(error)), style="red")


def render_lines(snapshot: "FarmSnapshot") -> Iterator[str]:
    """Yield the snapshot as plain lines, for pipes and files."""
    yield format_headline(snapshot, snapshot)
    tables: list[tuple[Row, Iterable[Row]]] = [
        (_JOB_COLUMNS, map(_job_row, (*snapshot.active_jobs, *snapshot.ended_jobs))),
        (_QUEUE_COLUMNS, _queue_rows(snapshot)),
        (_WORKER_COLUMNS, map(_worker_row, snapshot.workers)),
    ]
    for header, found in tables:
        rows = [header, *found]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield ""
        for row in rows:
            yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def render_page(snapshot: "FarmSnapshot", *, before: "FarmSnapshot", flower: str = "") -> RenderableType:
    """Return the live view.

    Args:
        snapshot: The snapshot to show.
        before: An earlier snapshot; the speed is the mean since then.
        flower: URL of Flower, to which job ids are linked. Defaults to no links.
    """
    jobs = _make_table((*_JOB_COLUMNS[:2], "", *_JOB_COLUMNS[2:]))
    for job in snapshot.active_jobs[:_MAX_JOB_ROWS]:
        jobs.add_row(*_style_job_row(job, flower))
    if len(snapshot.active_jobs) > _MAX_JOB_ROWS:
        jobs.add_row(f"... and {len(snapshot.active_jobs) - _MAX_JOB_ROWS} more")
    for job in snapshot.ended_jobs:
        jobs.add_row(*_style_job_row(job, flower), style="dim")
    queues, workers = _make_table(_QUEUE_COLUMNS), _make_table(_WORKER_COLUMNS)
    for row in _queue_rows(snapshot):
        queues.add_row(*map(Text, row))
    for worker in snapshot.workers:
        workers.add_row(*map(Text, _worker_row(worker)))
    return Group(Text(format_headline(snapshot, before), style="bold"), "", jobs, "", queues, "", workers)


def format_headline(snapshot: "FarmSnapshot", before: "FarmSnapshot") -> str:
    """Return one line: what is pending, what was done so far, and how fast.

    Args:
        snapshot: The snapshot to show.
        before: An earlier snapshot; the speed is the mean since then.
    """
    tiles = {outcome: snapshot.counters.get(f"tiles {outcome}", 0) for outcome in ("read", "blank", "failed")}
    now = f"jobs {len(snapshot.active_jobs)}, tiles pending {snapshot.tiles_pending}, workers {len(snapshot.workers)}"
    done = f"so far: tiles read {tiles['read']}, blank {tiles['blank']}, failed {tiles['failed']}"
    return f"{now}{_format_speed(snapshot, before)} | {done}"


def _format_speed(snapshot: "FarmSnapshot", before: "FarmSnapshot") -> str:
    if snapshot.taken_at <= before.taken_at:
        return ""
    read = snapshot.counters.get("tiles read", 0) - before.counters.get("tiles read", 0)
    return f", {read / (snapshot.taken_at - before.taken_at):.1f} tiles/s"


def _make_table(header: Row) -> Table:
    return Table(*header, box=None, pad_edge=False, header_style="cyan")


def _job_row(job: "JobStatus") -> Row:
    done = f"{job.done + job.blank + job.failed}/{job.tiles}"
    note = job.waiting or (f"{job.error_kind}: {job.error}" if job.error else "")
    text = f"{job.name}  {note}" if note else job.name
    age = _format_age(time.time() - job.submitted)
    return (job.id, job.state, done, str(job.failed or ""), age, printable(text))


def _style_job_row(job: "JobStatus", flower: str) -> list[RenderableType]:
    """Return a row with a progress bar, a red state if the job has a problem, and a link to Flower if there is one."""
    name, state, *rest = _job_row(job)
    bad = bool(job.waiting or job.error or job.failed)
    bar = ProgressBar(total=max(job.tiles, 1), completed=job.done + job.blank + job.failed, width=20)
    link = f"link {flower_tasks_url(flower, job.id)}" if flower else ""
    return [Text(name, style=link), Text(state, style="red" if bad else "green"), bar, *map(Text, rest)]


def _queue_rows(snapshot: "FarmSnapshot") -> Iterator[Row]:
    names = dict.fromkeys(depth.queue for depth in snapshot.queues)
    for name in names:
        depths = [depth for depth in snapshot.queues if depth.queue == name]
        sent = [depth.oldest_sent_at for depth in depths if depth.oldest_sent_at]
        waiting = " + ".join(str(depth.messages) for depth in depths)
        since = _format_age(snapshot.taken_at - min(sent)) if sent else ""
        yield (name, waiting, since, str(sum(name in worker.queues for worker in snapshot.workers)))


def _worker_row(worker: "WorkerInfo") -> Row:
    gpus = ", ".join(
        f"{gpu.index}: {gpu.utilization} %, {gpu.memory_used / 1e9:.1f} of {gpu.memory_total / 1e9:.0f} GB"
        for gpu in worker.gpus
    )
    memory = f"{worker.memory / 1e6:.0f} MB" if worker.memory else ""
    queues, work = printable(" ".join(worker.queues)), printable("; ".join(worker.work))
    return (printable(worker.name), queues, str(worker.processes), memory, printable(gpus), work)


def _format_age(seconds: float) -> str:
    """Return an age in suitable units.

    >>> [_format_age(seconds) for seconds in (5, 65, 7300, 200000)]
    ['5 s', '1 min 5 s', '2 h 1 min', '2 d']
    """
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
