"""`ocrfarm top`: the farm at a glance, live in a terminal, as plain lines elsewhere."""

import importlib
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

from ocrfarm.cli.output import tasks_url
from ocrfarm.errors import BrokerError, SettingsError
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.census import Census
    from ocrfarm.farm.progress import JobStatus
    from ocrfarm.farm.roster import Worker

Row = tuple[str, ...]

_ROWS = 15
"""Unfinished jobs that are shown; the others are counted."""

_LOOKS = 30
"""The speed is the mean of so many looks: a tile may take several."""

_JOBS = ("job", "state", "settled", "given up", "since", "picture")
_QUEUES = ("queue", "waiting, by priority", "next since", "workers")
_WORKERS = ("worker", "reads", "processes", "memory", "GPU")


@click.command(short_help="Show the farm's jobs, queues and workers, live.")
@click.option("--once", is_flag=True, help="One look, also in a terminal.")
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(min=0.2), help="Between two looks.")
def top(*, once: bool, seconds: float) -> None:
    """Show the farm's jobs, queues, workers and what was given up; Ctrl-C ends it."""
    settings = Settings.from_env(os.environ)
    if not settings.places.broker:
        raise SettingsError("which farm? Set OCRFARM_BROKER; `ocrfarm up` prints it")
    take = importlib.import_module("ocrfarm.farm.census").census_taker(settings)
    console = Console()
    if once or not console.is_terminal:
        for line in plain(take()):
            click.echo(line)
        return
    with suppress(KeyboardInterrupt), Live(screen=True, auto_refresh=False, console=console) as live:
        for view in _views(take, settings.access.flower_url):
            live.update(view, refresh=True)
            time.sleep(seconds)


def _views(take: Callable[[], "Census"], flower: str) -> Iterator[RenderableType]:
    """Give one view after another; a broker that is away is waited for."""
    seen: deque[Census] = deque(maxlen=_LOOKS)
    while True:
        try:
            seen.append(take())
            yield page(seen[-1], before=seen[0], flower=flower)
        except BrokerError as error:
            yield Text(str(error), style="red")


def plain(census: "Census") -> Iterator[str]:
    """Give the same as lines, for pipes and files."""
    yield headline(census, census)
    tables: list[tuple[Row, Iterable[Row]]] = [
        (_JOBS, map(_job_row, (*census.jobs, *census.ended))),
        (_QUEUES, _queue_rows(census)),
        (_WORKERS, map(_worker_row, census.workers)),
    ]
    for header, found in tables:
        rows = [header, *found]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield ""
        for row in rows:
            yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def page(census: "Census", *, before: "Census", flower: str = "") -> RenderableType:
    """Give the live view; the speed is that since an earlier census."""
    jobs = _table((*_JOBS[:2], "", *_JOBS[2:]))
    for job in census.jobs[:_ROWS]:
        jobs.add_row(*_styled(job, flower))
    if len(census.jobs) > _ROWS:
        jobs.add_row(f"... and {len(census.jobs) - _ROWS} more")
    for job in census.ended:
        jobs.add_row(*_styled(job, flower), style="dim")
    queues, workers = _table(_QUEUES), _table(_WORKERS)
    for row in _queue_rows(census):
        queues.add_row(*row)
    for worker in census.workers:
        workers.add_row(*_worker_row(worker))
    return Group(Text(headline(census, before), style="bold"), "", jobs, "", queues, "", workers)


def headline(census: "Census", before: "Census") -> str:
    """Say in one line how much there is, how much was done, and how fast."""
    tiles = {outcome: census.meters.get(f"tiles {outcome}", 0) for outcome in ("read", "blank", "dead")}
    said = f"jobs {len(census.jobs)}, tiles left {census.tiles_left}, workers {len(census.workers)}"
    done = f"so far: tiles read {tiles['read']}, blank {tiles['blank']}, given up {tiles['dead']}"
    return f"{said}{_speed(census, before)} | {done}"


def _speed(census: "Census", before: "Census") -> str:
    if census.taken <= before.taken:
        return ""
    read = census.meters.get("tiles read", 0) - before.meters.get("tiles read", 0)
    return f", {read / (census.taken - before.taken):.1f} tiles/s"


def _table(header: Row) -> Table:
    return Table(*header, box=None, pad_edge=False, header_style="cyan")


def _job_row(job: "JobStatus") -> Row:
    settled = f"{job.done + job.blank + job.failed}/{job.tiles}"
    note = job.waiting or (f"{job.error_kind}: {job.error}" if job.error else "")
    told = f"{job.name}  {note}" if note else job.name
    picture = "".join(char if char.isprintable() else "?" for char in told)  # a name must not steer the terminal
    return (job.id, job.state, settled, str(job.failed or ""), _span(time.time() - job.submitted), picture)


def _styled(job: "JobStatus", flower: str) -> list[RenderableType]:
    """Give a row with a bar; red where it waits for nobody or failed, with a link to Flower where there is one."""
    name, state, *rest = _job_row(job)
    bad = bool(job.waiting or job.error or job.failed)
    bar = ProgressBar(total=max(job.tiles, 1), completed=job.done + job.blank + job.failed, width=20)
    link = f"link {tasks_url(flower, job.id)}" if flower else ""
    return [Text(name, style=link), Text(state, style="red" if bad else "green"), bar, *map(Text, rest)]


def _queue_rows(census: "Census") -> Iterator[Row]:
    names = dict.fromkeys(depth.queue for depth in census.queues)
    for name in names:
        depths = [depth for depth in census.queues if depth.queue == name]
        sent = [depth.sent for depth in depths if depth.sent]
        waiting = " + ".join(str(depth.messages) for depth in depths)
        since = _span(census.taken - min(sent)) if sent else ""
        yield (name, waiting, since, str(sum(name in worker.queues for worker in census.workers)))


def _worker_row(worker: "Worker") -> Row:
    gpus = ", ".join(
        f"{gpu.index}: {gpu.busy} %, {gpu.used / 1e9:.1f} of {gpu.total / 1e9:.0f} GB" for gpu in worker.gpus
    )
    memory = f"{worker.memory / 1e6:.0f} MB" if worker.memory else ""
    return (worker.name, " ".join(worker.queues), str(worker.children), memory, gpus)


def _span(seconds: float) -> str:
    """Give a time span as people say it."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
