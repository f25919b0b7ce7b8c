"""`scripts/bench scale`: what the farm itself costs, with an engine that does nothing or only sleeps."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import pyvips

from ocrfarm.geometry import Size
from ocrfarm.recognize import Profile, Tiling, find_profile
from ocrfarm.settings import Endpoints, ImageLimits, Settings
from ocrfarm.split.tiling import tile_grid
from ocrfarm.storage import layout
from tests.benchmarks.costs import Costs, MeasuredFarm, measure_costs
from tests.benchmarks.record import Value, record_figures, record_option, sheet_name
from tests.support.farm_fixture import CONTROL, RECOGNIZER, run_farm
from tests.support.servers import create_bucket, run_seaweedfs, run_valkey

SMALL = replace(find_profile("synthetic"), tiling=Tiling(256, 32, levels=False))
LARGE = replace(find_profile("synthetic"), tiling=Tiling())
"""Profiles: tiles that cost little but themselves, and tiles as they are."""

_MAX_CHILDREN = 8
"""Processes of one worker at most; more workers are started for more."""

_STRIP_ROWS = 32
"""Rows that are decoded at once."""

_STAGES = ("split", "recognize", "stitch")
_JOB_TIMEOUT = 1_800.0
_ACK_DELAY = 0.5
"""Messages are acknowledged a moment after the last one was read."""


@dataclass(frozen=True)
class Run:
    """What one job cost."""

    tiles: int
    wall: float
    costs: Costs
    stages: dict[str, float]
    first: float

    @property
    def cpu(self) -> float:
        return sum(self.costs.cpu.values())

    def of(self, workers: str) -> float:
        """Give the seconds of CPU of the workers whose names begin so."""
        return sum(seconds for name, seconds in self.costs.cpu.items() if name.startswith(workers))


@dataclass(frozen=True)
class _Options:
    """What is measured; see the options."""

    counts: tuple[int, ...]
    workers: tuple[int, ...]
    sizes: tuple[int, ...]
    images: tuple[Path, ...]
    tile_seconds: float
    rounds: int
    store: str


@click.command()
@click.option("--tiles", "counts", multiple=True, type=int, default=(100, 500, 2000, 20000), show_default=True)
@click.option("--workers", multiple=True, type=int, default=(1, 4, 16, 32), show_default=True)
@click.option("--size", "sizes", multiple=True, type=int, default=(16384, 32768, 65536), show_default=True)
@click.option("--image", "images", multiple=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--tile-seconds",
    default=0.5,
    show_default=True,
    help="Time that the sleeping engine takes for a tile, at most 0.5.",
)
@click.option("--rounds", default=3, show_default=True)
@click.option("--store", type=click.Choice(["folder", "s3"]), default="folder", show_default=True)
@click.option("--only", type=click.Choice(["", "tiles", "workers", "pages"]), default="")
@record_option
def scale(only: str, *, record: bool, **options: Any) -> None:
    """Measure tiles a second, what each costs the broker and the store, and how memory grows with the page."""
    figures: _Figures = {}
    for name, part in (("tiles", _by_tiles), ("workers", _by_workers), ("pages", _by_pages)):
        if only in ("", name):
            figures |= part(_Options(**options))
    if record:
        record_figures(figures)


_Figures = dict[str, tuple[Value, str]]


_COLUMNS: dict[str, Callable[[Run], float]] = {
    "tiles/s": lambda run: run.tiles / run.wall,
    "tiles/CPU s": lambda run: run.tiles / run.cpu,
    "CPU ms": lambda run: run.cpu / run.tiles * 1000,
    "broker ms": lambda run: run.costs.cpu["broker"] / run.tiles * 1000,
    "commands": lambda run: run.costs.commands.total() / run.tiles,
    "bytes": lambda run: run.costs.bytes / run.tiles,
    "requests": lambda run: run.costs.requests.total() / run.tiles,
    "split s": lambda run: run.stages["split"],
    "stitch s": lambda run: run.stages["stitch"],
}
"""The first seven of one tile or for one tile."""


def _by_tiles(what: _Options) -> _Figures:
    figures: _Figures = {}
    click.echo("An engine that does nothing, 2 processes that read, tiles of 256 pixels; medians")
    click.echo(f"{'tiles':>7}" + "".join(f"{column:>13}" for column in _COLUMNS))
    with run_measured_farm(2, store=what.store) as place:
        _run_job(place, _draw_page(place, 100), SMALL)  # everything is loaded now
        for count in what.counts:
            runs = [_run_job(place, _draw_page(place, count), SMALL) for _ in range(what.rounds)]
            values = {name: statistics.median(map(of, runs)) for name, of in _COLUMNS.items()}
            click.echo(f"{runs[0].tiles:7}" + "".join(f"{value:13.2f}" for value in values.values()))
            for column, (name, unit) in _RECORDED_COLUMNS.items() if what.store == "folder" else ():
                figures[f"scale.tiles.n{count}.{name}"] = float(f"{values[column]:.2g}"), unit
    spent = runs[-1].costs
    for kind, found in (("CPU s", spent.cpu), ("commands", spent.commands), ("requests", spent.requests)):
        click.echo(f"{kind} of the last: " + ", ".join(f"{name} {each:g}" for name, each in found.most_common()))
    if what.store == "s3":
        figures["scale.s3.request"] = round(1000 * spent.cpu["store"] / spent.requests.total(), 1), "ms"
    return figures


_RECORDED_COLUMNS = {
    "CPU ms": ("cpu", "ms"),
    "broker ms": ("broker", "ms"),
    "commands": ("commands", ""),
    "bytes": ("bytes", "bytes"),
    "requests": ("requests", ""),
}
"""Column -> end of the figure's id, and unit; each is of one tile."""


def _by_workers(what: _Options) -> _Figures:
    figures: _Figures = {}
    click.echo(f"An engine that sleeps {what.tile_seconds} s, tiles of 256 pixels, 60 tiles a process")
    click.echo(f"{'workers':>8}{'tiles':>7}{'wall s':>9}{'efficiency':>12}{'CPU s':>8}")
    for count in what.workers:
        with run_measured_farm(count, store=what.store, seconds=what.tile_seconds) as place:
            _run_job(place, _draw_page(place, 2 * count), SMALL)
            run = _run_job(place, _draw_page(place, 60 * count), SMALL)
        ideal = run.tiles * what.tile_seconds / count
        click.echo(f"{count:8}{run.tiles:7}{run.wall:9.2f}{ideal / run.wall:12.3f}{run.cpu:8.1f}")
        figures[f"scale.workers.n{count}.efficiency"] = round(ideal / run.wall, 3), ""
    return figures


def _by_pages(what: _Options) -> _Figures:
    figures: _Figures = {}
    click.echo(
        "An engine that does nothing, tiles of 2048 pixels with 40 lines each. decode: by libvips, once; first: until"
    )
    click.echo("the first fragments were stored; medians, but for peaks, which are the highest")
    heads = "".join(f"{f'{stage} MB':>14}" for stage in _STAGES)
    click.echo(
        f"{'page':>16}{'tiles':>7}{'decode s':>10}{'split s':>9}{'first s':>9}{'stitch s':>10}{'wall s':>9}"
        f"{'control CPU':>13}{'reader CPU':>12}{heads}"
    )
    pages: tuple[int | Path, ...] = (*what.sizes, *what.images)
    for page in pages:
        with run_measured_farm(2, store=what.store, lines=40) as place:  # new processes, for their peaks
            image = page if isinstance(page, Path) else _write_image(place, Size(page, page))
            _run_job(place, _draw_page(place, 100), SMALL)
            pairs = [(_time_decoding(image), _run_job(place, image, LARGE)) for _ in range(what.rounds)]
        click.echo(f"{page.name if isinstance(page, Path) else page:>16}{pairs[0][1].tiles:7}{_times(pairs)}")
        name = f"scale.pages.{'sheet' if isinstance(page, Path) else sheet_name(page)}"
        runs = [run for _, run in pairs]
        figures[f"{name}.control_cpu"] = round(statistics.median(run.of("control") for run in runs), 1), "s"
        figures[f"{name}.reader_cpu"] = round(statistics.median(run.of("reader") for run in runs), 1), "s"
        figures[f"{name}.split_memory"] = round(max(run.stages["peak_split_mb"] for run in runs)), "MB"
    return figures


def _times(pairs: list[tuple[float, Run]]) -> str:
    columns = [(each, run.stages["split"], run.first, run.stages["stitch"], run.wall) for each, run in pairs]
    decode, split, first, stitch, wall = (statistics.median(column) for column in zip(*columns, strict=True))
    peaks = "".join(f"{max(run.stages[f'peak_{stage}_mb'] for _, run in pairs):14.0f}" for stage in _STAGES)
    spent = "".join(
        f"{statistics.median(run.of(who) for _, run in pairs):{width}.2f}" for who, width in _WORKER_COLUMNS.items()
    )
    return f"{decode:10.2f}{split:9.2f}{first:9.2f}{stitch:10.2f}{wall:9.2f}{spent}{peaks}"


_WORKER_COLUMNS = {"control": 13, "reader": 12}
"""How the names of workers begin, and how wide their column is."""


def _time_decoding(path: Path) -> float:
    """Give the seconds that libvips takes to decode the image from top to bottom."""
    started = time.perf_counter()
    image = pyvips.Image.new_from_file(str(path), access="sequential")
    region = pyvips.Region.new(image)
    for top in range(0, image.height, _STRIP_ROWS):
        region.fetch(0, top, image.width, min(_STRIP_ROWS, image.height - top))
    return time.perf_counter() - started


@contextmanager
def run_measured_farm(readers: int, *, store: str, seconds: float = 0.0, lines: int = 0) -> Iterator[MeasuredFarm]:
    """Run a farm with so many processes that read."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-")))
        (folder / "farm").mkdir()
        (folder / "broker").mkdir()
        broker = stack.enter_context(run_valkey(folder / "broker", fsync="everysec"))
        server, url = None, f"{folder}/store"
        if store == "s3":
            (folder / "weed").mkdir()
            server = stack.enter_context(run_seaweedfs(folder / "weed"))
            stack.enter_context(patch.dict("os.environ", server.environment | {"AWS_EC2_METADATA_DISABLED": "true"}))
            url = server.url("scale")
            create_bucket(url)
        settings = Settings(Endpoints(broker.url, url), limits=ImageLimits(limit_pixels=2**33))
        variables = {"FAKE_WORKER_NOOP_LINES": str(lines), "FAKE_WORKER_TILE_SECONDS": str(seconds)}
        farm = stack.enter_context(run_farm(settings, folder / "farm", **variables))
        farm.start("control", CONTROL)
        for number in range(0, readers, _MAX_CHILDREN):
            farm.start(f"reader{number}", f"{RECOGNIZER} --processes {min(_MAX_CHILDREN, readers - number)}")
        farm.wait_ready()
        yield MeasuredFarm(farm, broker, server)


def _draw_page(place: MeasuredFarm, tiles: int) -> Path:
    """Draw a page that is cut into about so many small tiles."""
    across = round(tiles**0.5)
    stride = SMALL.tiling.side - SMALL.tiling.overlap
    return _write_image(place, Size(across * stride + 32, max(round(tiles / across), 1) * stride + 32))


def _write_image(place: MeasuredFarm, size: Size) -> Path:
    """Draw a page with a dot every few pixels, so that no tile is blank, as a file that costs little to decode."""
    path = place.farm.folder / f"{size.width}x{size.height}.png"
    if not path.exists():
        dots = np.full((64, 64), 255, np.uint8)
        dots[20:30, 20:30] = 0
        image = pyvips.Image.new_from_memory(dots.data, 64, 64, 1, "uchar")
        whole = image.replicate(-(-size.width // 64), -(-size.height // 64)).crop(0, 0, size.width, size.height)
        whole.copy(interpretation="b-w").pngsave(str(path), compression=1, filter="none")
    return path


def _run_job(place: MeasuredFarm, image: Path, profile: Profile) -> Run:
    """Hand the image in, wait for its end, and say what that cost; then forget the job."""
    before = measure_costs(place)
    started = time.time()
    job = place.farm.client.submit(image, profile=profile).id
    tile = tile_grid(Size(1, 1), side=256, overlap=32)[0]
    first = _wait_for_state(place, job, layout.fragments(job, tile.id), layout.result(job)) - started
    _wait_for_state(place, job, layout.result(job))
    time.sleep(_ACK_DELAY)
    spent = measure_costs(place) - before
    if (status := place.farm.status(job)).state != "complete":
        raise click.ClickException(f"job {job} was not read: {status}\n{place.farm.logs()}")
    timing = place.farm.document(job).timing
    return Run(status.tiles, timing["wall"], spent, timing, first)


def _wait_for_state(place: MeasuredFarm, job: str, *awaited: str) -> float:
    """Wait until the store has one of the objects, without a word to the broker; give the time."""
    deadline = time.monotonic() + _JOB_TIMEOUT
    while not any(place.farm.store.exists(key) for key in awaited):
        if time.monotonic() > deadline:
            raise click.ClickException(f"job {job} does not end: {place.farm.status(job)}\n{place.farm.logs()}")
        time.sleep(0.02)
    return time.time()
