"""`scripts/bench bounds`: small files with much work in them; what the splitter needs for each of them."""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ocrfarm.settings import Endpoints, Settings
from tests.benchmarks.record import record_figures, record_option
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import run_valkey
from tests.support.small_files import SMALL_FILES, SplitCost, measure_split

_SLOW_SECONDS = 4.0
"""A job whose image takes longer to split is cancelled while it is split, to see what becomes of the job behind it."""

_HEAD = ["file", "bytes", "outcome", "seconds", "CPU seconds", "MB", "job behind it after cancel, s"]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--only", default="", help="Files whose description contains this text.")
@click.option("--cancel/--no-cancel", default=True, help="Cancel the jobs of slow files in a farm.")
@record_option
def bounds(files: tuple[Path, ...], *, only: str, cancel: bool, record: bool) -> None:
    """Split FILES, or files made to harm. CPU and megabytes include those of the helper process."""
    if record and (files or only):
        raise click.UsageError("--record writes the whole table: leave FILES and --only out")
    contents = {path.name: path.read_bytes for path in files} or {
        name: make for name, make in SMALL_FILES.items() if only in name
    }
    rows, slow = _measure_all(contents)
    if cancel and slow:
        with _run_farm() as farm:
            for name in slow:
                rows[name][-1] = f"{_measure_wait(farm, contents[name]()):.1f}"
                click.echo(f"{name:56}{rows[name][-1]:>8} s for the job behind it after cancel")
    if record:
        record_figures({"bounds.files": ([_HEAD, *rows.values()], "table")})


def _measure_all(contents: dict[str, Callable[[], bytes]]) -> tuple[dict[str, list[str]], list[str]]:
    """Return a row for each file, and the names of those that take long."""
    rows, slow = {}, []
    for name, size, cost in _iter_costs(contents.items()):
        rows[name] = [
            name,
            f"{size:,}",
            cost.outcome,
            f"{cost.seconds:.1f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.megabytes:.0f}",
            "",
        ]
        click.echo("{:56}{:>12}  {:18}{:>7} s{:>7} s CPU{:>6} MB".format(*rows[name]))
        if cost.seconds > _SLOW_SECONDS:
            slow.append(name)
    return rows, slow


def _iter_costs(contents: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[tuple[str, int, SplitCost]]:
    for name, make in contents:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "source"
            path.write_bytes(make())
            yield name, path.stat().st_size, measure_split(path)


@contextmanager
def _run_farm() -> Iterator[ProcessFarm]:
    with tempfile.TemporaryDirectory() as name, run_valkey(Path(name)) as server:
        places = Endpoints(server.url, f"{name}/store", key_prefix=f"{uuid.uuid4().hex}:")
        with run_farm(Settings(places), Path(name)) as farm:
            farm.start("control", CONTROL)
            farm.start("reader", RECOGNIZER)
            farm.wait_ready()
            yield farm


def _measure_wait(farm: ProcessFarm, data: bytes) -> float:
    """Cancel a job while its image is split, and return the seconds until the next job has ended."""
    slow = farm.submit(data)
    farm.wait(slow, lambda status: status.state != "queued")
    time.sleep(_SLOW_SECONDS / 2)
    behind = farm.submit(draw_page(1, 1).png)
    farm.client.job(slow).cancel()
    cancelled = time.monotonic()
    farm.wait(behind)
    return time.monotonic() - cancelled
