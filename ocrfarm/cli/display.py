"""What a command prints: progress bars and lines for people, JSON for programs; summaries and links."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Thread
from typing import NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ocrfarm.cli.backends import ProgressEvent
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import OUTPUT_LOCK, echo
from ocrfarm.cli.options import group_options
from ocrfarm.document import Document
from ocrfarm.export import Target
from ocrfarm.printable import printable, printable_json

_LABELS = {"skipped": "read before"}
"""Field of `Totals` -> its label in the table, if they differ."""

_EVENT_INTERVAL = 1.0
"""Seconds between two progress events of one image."""

_FRAME_INTERVAL = 0.1
"""Seconds between two frames of the progress bars."""


class Totals(NamedTuple):
    """Counts of complete, partial, failed and skipped images, and how much was read in this run.

    >>> Totals(complete=2, partial=0, failed=0, skipped=1, lines=40, megapixels=30.0, seconds=6.0).throughput
    5.0
    """

    complete: int
    partial: int
    failed: int
    skipped: int
    lines: int
    megapixels: float
    seconds: float

    @property
    def throughput(self) -> float:
        """Megapixels per second."""
        return self.megapixels / max(self.seconds, 1e-9)


class Display:
    """Receives the events of a batch, from several threads, and shows nothing.

    Errors are not shown here; they are printed to stderr where they occur.
    """

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Surround a batch of `count` images."""
        yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Surround the reading of one image; yield the function that receives its progress."""
        yield lambda event: None

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: Sequence[str]) -> None:
        """Show that an image was read, or could not be.

        Args:
            entry: The image's row in the journal.
            results: Paths of the files that were written.
            text: The same as lines for people.
        """

    def show_skipped(self, entry: JournalEntry) -> None:
        """Show that an image was skipped because it was read before."""

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Show the sums of the batch.

        Args:
            totals: The sums.
            outcomes: Path of the journal.
        """


class JsonLinesDisplay(Display):
    """Prints one JSON object per line for each event."""

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Print the number of images."""
        _print_event("start", files=count)
        yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Print the progress of one image if its stage has changed, and at least once a second."""
        last_stage, printed_at = "", 0.0

        def on_progress(event: ProgressEvent) -> None:
            nonlocal last_stage, printed_at
            if event.stage != last_stage or time.monotonic() - printed_at >= _EVENT_INTERVAL:
                last_stage, printed_at = event.stage, time.monotonic()
                _print_event("progress", file=name, **event._asdict())

        yield on_progress

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: Sequence[str]) -> None:
        """Print the journal's row and the paths of the results.

        Args:
            entry: The image's row in the journal.
            results: Paths of the files that were written.
            text: Not used.
        """
        _print_event("file", **_entry_json(entry), results=results)

    def show_skipped(self, entry: JournalEntry) -> None:
        """Print the journal's row."""
        _print_event("skipped", **_entry_json(entry))

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Print the sums.

        Args:
            totals: The sums.
            outcomes: Path of the journal.
        """
        _print_event("end", **totals._asdict(), outcomes=outcomes)


class TerminalDisplay(Display):
    """Shows progress bars on stderr if it is a terminal, prints a line for each image, and a table at the end."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Progress(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # output into a file must not be redirected to the terminal
        )
        self._all: TaskID | None = None
        self._count = 0

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Show a bar for the whole batch if it has several images."""
        self._count = count
        with self._bars, _refresh_bars(self._bars):
            if count > 1:
                self._all = self._bars.add_task("all", total=count, detail=f"0/{count} files")
            yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Show a bar of the image's tiles, with its stage and throughput."""
        with OUTPUT_LOCK:  # adding a bar draws it
            bar, started_at = self._bars.add_task(_shorten(name), total=None, detail="wait"), time.monotonic()

        def on_progress(event: ProgressEvent) -> None:
            detail = _format_progress(event, time.monotonic() - started_at)
            self._bars.update(bar, completed=event.done, total=event.tiles or None, detail=detail)

        try:
            yield on_progress
        finally:
            self._bars.remove_task(bar)

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: Sequence[str]) -> None:
        """Print the text and advance the bar of the batch.

        Args:
            entry: The image's row in the journal.
            results: Paths of the files that were written.
            text: The lines that are printed.
        """
        if text:
            echo(*text)
        self._advance()

    def show_skipped(self, entry: JournalEntry) -> None:
        """Print the name if there is only one image; the table of a batch counts them."""
        if self._count == 1:
            echo(f"{entry.file}: was read before; pass --force to read it again")
        self._advance()

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Print a table if there were several images.

        Args:
            totals: The sums.
            outcomes: Path of the journal.
        """
        if self._count <= 1:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for name, value in totals._asdict().items():
            table.add_row(_LABELS.get(name, name), f"{value:,}")
        table.add_row("MP/s", f"{totals.throughput:,.1f}")
        Console(highlight=False).print(table)
        echo(f"-> {outcomes}")

    def _advance(self) -> None:
        if self._all is not None:
            done = self._bars.tasks[0].completed + 1
            self._bars.update(self._all, completed=done, detail=f"{done:.0f}/{self._count} files")


@contextmanager
def _refresh_bars(bars: Progress) -> Iterator[None]:
    """Redraw the bars in a thread, but never while a line is printed: rich's own thread would overwrite the line."""
    over = Event()

    def draw() -> None:
        while not over.wait(_FRAME_INTERVAL):
            with OUTPUT_LOCK:
                bars.refresh()

    thread = Thread(target=draw, name="bars")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _make_display(*, as_json: bool, quiet: bool) -> Display:
    return JsonLinesDisplay() if as_json else Display() if quiet else TerminalDisplay()


display_options = group_options(
    "display",
    _make_display,
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line for each event."),
    click.option("--quiet", is_flag=True, help="Print errors only."),
)
"""Adds --json and --quiet; the command gets the display as its argument `display`."""


def _print_event(kind: str, **values: object) -> None:
    echo(printable_json({"event": kind, **values}))


def _entry_json(entry: JournalEntry) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(entry).items()}


def _format_progress(event: ProgressEvent, seconds: float) -> str:
    """Return the stage, the tiles, and the megapixels per second estimated from them.

    >>> _format_progress(ProgressEvent("recognize", done=20, tiles=80, pixels=268_000_000), seconds=10)
    'recognize  20/80 tiles  6.7 MP/s'
    """
    if not event.tiles:
        return event.stage
    share = event.done / event.tiles
    throughput = f"  {event.pixels * share / 1e6 / max(seconds, 1e-3):.1f} MP/s" if event.pixels and event.done else ""
    return f"{event.stage}  {event.done}/{event.tiles} tiles{throughput}"


def _shorten(name: str, max_length: int = 40) -> str:
    """Return a name for a bar, without characters that control the terminal.

    >>> _shorten("a-very-long-name-of-a-scan.tif", max_length=12)
    '...-scan.tif'
    """
    shown = printable(name)
    return shown if len(shown) <= max_length else f"...{shown[3 - max_length :]}"


def describe_written_files(target: Target, stem: str) -> str:
    """Return the files that were written: the first with its path, the others with their suffix only.

    >>> from pathlib import Path
    >>> from ocrfarm.result.formats import find_formats
    >>> describe_written_files(Target(Path("out"), find_formats("json,txt,preview")), "sheet")
    'out/sheet.json, .txt, .preview.png'

    Args:
        target: Folder and formats of the results.
        stem: First part of the results' names.
    """
    first, *others = (form.file_name(stem) for form in target.formats)
    return ", ".join([str(target.folder / first), *(name.removeprefix(stem) for name in others)])


def flower_tasks_url(flower: str, job: str) -> str:
    """Return the URL of the page of Flower that lists a job's tasks.

    >>> flower_tasks_url("http://127.0.0.1:5555/", "01JD9YQ1Z7K3V5N8T2W4X6B0CA")
    'http://127.0.0.1:5555/tasks?name=ocrfarm%20args%3A01JD9YQ1Z7K3V5N8T2W4X6B0CA'

    Args:
        flower: URL of Flower.
        job: Id of the job; it is in the arguments of each of its tasks.
    """
    return f"{flower.rstrip('/')}/tasks?name=ocrfarm%20args%3A{job}"


def format_summary(document: Document) -> list[str]:
    """Return the lines of a summary of what was read: tiles, lines, coverage, time and memory."""
    coverages = [page.coverage for page in document.pages]
    blank, read, failed = (sum(getattr(each, name) for each in coverages) for name in ("blank", "read", "failed"))
    total_area = sum(page.size.area for page in document.pages)
    covered = sum(page.coverage.fraction_read * page.size.area for page in document.pages) / total_area
    excluded = sum(box.area for each in coverages for box in each.excluded) / total_area
    excluded_note = f", {excluded:.2%} excluded by --region or --mask" if excluded else ""
    partial_note = "" if document.is_complete else " - PARTIAL, see coverage.gaps in the JSON"
    wall = document.timing.get("wall", 0.0)
    peak = max((value for name, value in document.timing.items() if name.endswith("_mb")), default=0.0)
    return [
        f"  tiles     {blank + read + failed} ({blank} blank, {read} read, {failed} failed)",
        f"  lines     {len(document.lines)}",
        f"  coverage  {covered:.2%}{excluded_note}{partial_note}",
        f"  time      {wall:.1f} s, {total_area / 1e6 / max(wall, 1e-9):.1f} MP/s",
        f"  memory    {peak:.0f} MB in the largest process",
    ]
